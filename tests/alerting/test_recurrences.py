"""What comes back, and what was lost on the way: timelines of more than one excursion."""

import pytest

from tests.alerting.scene import T0, Scene, ack, cleared, close, held, raised


def test_a_leak_that_comes_back_before_anybody_acknowledged_is_told_every_time() -> None:
    grave = {"grade": 1}
    timeline = [
        (0, raised(0, **grave)),
        (600, cleared(600, **grave)),
        (3600, raised(3600, **grave)),
        (7200, cleared(7200, onset_s=3600, **grave)),
        (86_400, raised(86_400, grade=2)),
    ]

    seen = Scene().play(timeline)

    assert seen == [
        (0, "1:opened>open", "tell alert opened 1"),
        (600, "1:returned>open", "tell returned 1"),
        (3600, "1:reopened>open", "tell reopened 1"),
        (7200, "1:returned>open", "tell returned 1"),
        (86_400, "1:reopened>open", "tell reopened 2"),
    ]


def test_a_new_excursion_ends_the_one_whose_clear_was_lost_and_is_told() -> None:
    scene = Scene()

    seen = scene.play([(0, raised(0)), (60, held(60)), (61, ack()), (9000, raised(9000))])

    assert seen[2:] == [
        (9000, "1:returned>watching", "tell returned 2", "1:reopened>open", "tell reopened 2")
    ]
    lost = scene.slice.excursions["f0"]
    assert (lost.stage, lost.cleared_ms) == ("over", T0 + 60_000)


@pytest.mark.feature("ThingsBoard #2986, #5652, #15583")
def test_an_excursion_that_got_another_name_goes_on_in_silence_and_can_be_closed() -> None:
    scene = Scene()
    blank = {"name": "blank", "onset_s": 100}
    timeline = [
        (0, raised(0)),
        (5, ack()),
        (900, held(900)),
        # The detector began blank and re-read the last minutes: the same leak, another onset.
        (1000, raised(1000, **blank)),
        (1100, cleared(1100, **blank)),
        (1200, close()),
    ]

    seen = scene.play([*timeline, (1300, held(1300))])

    assert seen[2:] == [
        (1000, "1:joined>acknowledged"),
        (1100, "1:returned>watching", "tell returned 2"),
        (1200, "1:closed>closed", "tell closed 2"),
    ]


def test_only_live_excursions_of_one_rule_replace_each_other() -> None:
    scene = Scene()

    scene.play(
        [
            (0, raised(0)),
            (300, raised(300, rule="gas.ch4.50")),
            (400, raised(400, name="late", lane="late", onset_s=100, grade=1)),
        ]
    )

    assert {e.stage for e in scene.slice.excursions.values()} == {"active"}


def test_a_recurrence_that_only_back_filled_readings_know_keeps_whom_to_tell_of_the_end() -> None:
    old = {"lane": "historical", "channel": "gas/well-1/ch4-b"}
    timeline = [
        (0, raised(0)),
        (1, ack()),
        (2, cleared(2)),
        (10, raised(10, name="old", **old)),
        (20, ack()),
    ]

    closed = Scene().play([*timeline, (30, close(override=True, second="wang"))])
    alive = Scene().play([*timeline, (30, raised(30))])

    assert closed[3:] == [
        (10, "1:reopened>open"),
        (20, "1:acknowledged>acknowledged", "tell acknowledged 2"),
        (30, "1:closed-active>closed", "tell closed 2"),
    ]
    # The last that was told is "returned": that it lives again is told, at whatever grade.
    assert alive[-1] == (30, "1:reopened>open", "tell reopened 2")
