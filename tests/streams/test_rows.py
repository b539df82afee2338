"""The binary COPY body says what the rows say."""

import struct

import numpy as np

from lifeline.model import Message
from streams.archive.names import Names, describe, merge
from streams.archive.rows import HEADER, Rows, copy_bytes, days_of, join, minutes_of
from tests.streams.town import START_MS, batch, catalog


def rows(values: list[float]) -> Rows:
    n = len(values)
    return Rows(
        np.arange(n, dtype=np.int32),
        np.full(n, START_MS, np.int64),
        np.array(values, np.float64),
        np.full(n, 3, np.uint16),
    )


def test_a_row_is_four_fields_in_network_order() -> None:
    body = copy_bytes(rows([1.5]))

    wanted = struct.pack(
        ">hiiiqidih", 4, 4, 0, 8, (START_MS - 946_684_800_000) * 1000, 8, 1.5, 2, 3
    )
    assert body == HEADER + wanted + b"\xff\xff"


def test_what_is_not_finite_becomes_null_and_keeps_its_number() -> None:
    body = copy_bytes(rows([float("nan"), 2.0]), number=True)[len(HEADER) :]

    first, second = body[:48], body[48:-2]
    assert struct.unpack(">hiiiqidihii", first)[-1] == 1
    assert struct.unpack(">hiiiqiihii", second) == (
        5, 4, 0, 8, (START_MS - 946_684_800_000) * 1000, -1, 2, 3, 4, 0
    )  # fmt: skip


def test_rows_go_by_channel_and_each_channels_in_their_order() -> None:
    mixed = Rows(
        np.array([5, 2, 5, 2], np.int32),
        START_MS + np.arange(4, dtype=np.int64),
        np.arange(4.0),
        np.zeros(4, np.uint16),
    )

    body = copy_bytes(mixed, number=True)[len(HEADER) : -2]

    found = [struct.unpack(">hiiiqidihii", body[at : at + 48]) for at in range(0, len(body), 48)]
    assert [(row[2], row[-1]) for row in found] == [(2, 1), (2, 3), (5, 0), (5, 2)]


def test_joined_rows_keep_their_order_and_know_their_days_and_minutes() -> None:
    both = join([rows([1.0]), rows([2.0, 3.0])])

    assert both.value.tolist() == [1.0, 2.0, 3.0]
    assert days_of(both, set()) == [START_MS // 86_400_000]
    assert days_of(both, {START_MS // 86_400_000}) == []
    assert minutes_of(both) == [START_MS // 60_000]
    assert len(join([])) == 0


def test_names_give_ids_and_the_feed_of_a_lifeline_ignores_meters() -> None:
    city, names = catalog(), Names()
    one = batch(
        [("gas/well-1/ch4", START_MS, 1.0), ("device/G1/gaps", START_MS + 9, 0.0)],
        messages=[Message("G1", 1, 1)],
        of=[0, 0],
    )
    table = names.table_of(one.channels)
    assert list(names.unknown) == ["gas/well-1/ch4", "device/G1/gaps"]
    names.learn({"gas/well-1/ch4": 7, "device/G1/gaps": 9}, city)

    made, feeds = names.rows_of(table, one)

    assert made.channel.tolist() == [7, 9]
    assert feeds == {"gas": (START_MS, START_MS)}
    assert names.unknown == {}


def test_a_waveform_feature_has_its_channels_lifeline() -> None:
    assert describe(catalog(), "gas/well-1/ch4/frequency") == ("gas", "Hz")
    assert describe(catalog(), "gas/well-1/ch4/rms") == ("gas", "%LEL")
    assert describe(catalog(), "nobody/knows") == ("", "")


def test_two_hundred_new_names_make_room_and_keep_their_feeds() -> None:
    city, names = catalog(), Names()
    many = [f"gas/well-{i % 10}/ch4/f{i}" for i in range(200)]

    names.table_of([*many, "gas/well-1/ch4"])
    names.learn({name: i + 7 for i, name in enumerate([*many, "gas/well-1/ch4"])}, city)

    assert len(names.ids) >= 201
    assert names.ids[names.rows[many[150]]] == 157
    assert names.lifelines == ["gas"]
    assert not names.unknown
    assert names.table_of([many[150], "gas/well-2/temp"]).tolist() == [150, 201]


def test_of_two_times_of_a_lifeline_the_newer_stands() -> None:
    feeds = {"gas": (5, 9)}

    merge(feeds, {"gas": (7, 8), "water": (1, 2)})

    assert feeds == {"gas": (7, 9), "water": (1, 2)}


def test_one_piece_is_joined_as_it_is_and_no_rows_touch_no_day() -> None:
    one = rows([1.0])

    assert join([one]) is one
    assert days_of(join([]), set()) == []
