"""The canary: one on every partition, its silence announced once, its return too."""

import pytest

from lifeline.catalog import Catalog
from lifeline.compiler import compile_catalog
from lifeline.wire import partition_of
from watchdog.canary import Watch, asset_of, device_of, source

AT_MS = 1_700_000_000_000


def arrive(watch: Watch, partition: int, now_ms: int) -> None:
    watch.send(partition, AT_MS + now_ms, now_ms)
    assert watch.hear(partition, AT_MS + now_ms)


@pytest.mark.parametrize("partitions", [1, 2, 12, 30])
def test_every_partition_has_its_canary(partitions: int) -> None:
    catalog = Catalog(compile_catalog([source(partitions)]))

    devices = [catalog.device(device_of(p)) for p in range(partitions)]

    assert [partition_of(d.zone, partitions) for d in devices if d] == list(range(partitions))
    assert all(catalog.asset(asset_of(p)) for p in range(partitions))


def test_silence_is_announced_once_and_so_is_the_return() -> None:
    watch = Watch(partitions=2, silent_after_ms=45_000, started_ms=0)

    arrive(watch, 0, 10_000)
    arrive(watch, 1, 10_000)
    verdicts = [watch.judge(t) for t in (54_000, 55_000, 56_000)]
    arrive(watch, 0, 57_000)
    arrive(watch, 1, 57_000)
    back = watch.judge(58_000)

    assert [v and v.silent for v in verdicts] == [None, (0, 1), None]
    assert verdicts[1] is not None
    assert verdicts[1].is_worse
    assert verdicts[1].since_ms == 10_000
    assert back is not None
    assert not back.silent


def test_a_watch_begun_anew_in_a_silence_tells_its_return_and_not_before_a_canary_does() -> None:
    told = frozenset((1,))
    watch = Watch(partitions=2, silent_after_ms=45_000, started_ms=0, announced=told)

    before = [watch.judge(t) for t in (0, 1_000, 44_000)]
    arrive(watch, 0, 44_500)
    still = watch.judge(45_000)
    arrive(watch, 1, 46_000)
    back = watch.judge(46_500)

    assert [*before, still] == [None] * 4
    assert back is not None
    assert (back.silent, back.is_worse) == ((), False)


def test_a_chain_that_never_worked_is_announced_too() -> None:
    watch = Watch(partitions=1, silent_after_ms=45_000, started_ms=1_000)

    assert watch.judge(45_000) is None
    assert watch.judge(46_000) is not None


def test_a_second_partition_going_silent_is_news() -> None:
    watch = Watch(partitions=2, silent_after_ms=45_000, started_ms=0)
    arrive(watch, 1, 20_000)

    first = watch.judge(45_000)
    second = watch.judge(65_000)

    assert first is not None
    assert first.silent == (0,)
    assert second is not None
    assert second.silent == (0, 1)
    assert second.is_worse


def test_a_chain_that_is_minutes_behind_is_silent_though_every_canary_arrives() -> None:
    watch = Watch(partitions=1, silent_after_ms=45_000, started_ms=0)

    late_ms = 120_000
    for now_ms in range(0, 600_000, 15_000):
        watch.send(0, AT_MS + now_ms, now_ms)
        if now_ms >= late_ms:
            assert not watch.hear(0, AT_MS + now_ms - late_ms)
    verdict = watch.judge(600_000)

    assert verdict is not None
    assert verdict.silent == (0,)
    assert len(watch.sent_ms) == 4


def test_an_arrival_counts_from_when_it_was_sent_and_once() -> None:
    watch = Watch(partitions=1, silent_after_ms=45_000, started_ms=0)
    for now_ms in (10_000, 25_000):
        watch.send(0, AT_MS + now_ms, now_ms)

    assert watch.hear(0, AT_MS + 25_000)
    assert watch.hear(0, AT_MS + 10_000)
    assert not watch.hear(0, AT_MS + 25_000)
    assert watch.age_ms(0, 30_000) == 5_000
