"""The canary: one on every partition, its silence announced once, its return too."""

import pytest

from lifeline.catalog import Catalog
from lifeline.compiler import compile_catalog
from lifeline.wire import partition_of
from watchdog.canary import Watch, asset_of, device_of, source


@pytest.mark.parametrize("partitions", [1, 2, 12, 30])
def test_every_partition_has_its_canary(partitions: int) -> None:
    catalog = Catalog(compile_catalog([source(partitions)]))

    devices = [catalog.device(device_of(p)) for p in range(partitions)]

    assert [partition_of(d.zone, partitions) for d in devices if d] == list(range(partitions))
    assert all(catalog.asset(asset_of(p)) for p in range(partitions))


def test_silence_is_announced_once_and_so_is_the_return() -> None:
    watch = Watch(partitions=2, silent_after_ms=45_000, started_ms=0)

    watch.hear(0, 10_000)
    watch.hear(1, 10_000)
    verdicts = [watch.judge(t) for t in (54_000, 55_000, 56_000)]
    watch.hear(0, 57_000)
    watch.hear(1, 57_000)
    back = watch.judge(58_000)

    assert [v and v.silent for v in verdicts] == [None, (0, 1), None]
    assert verdicts[1] is not None
    assert verdicts[1].is_worse
    assert verdicts[1].since_ms == 10_000
    assert back is not None
    assert not back.silent


def test_a_chain_that_never_worked_is_announced_too() -> None:
    watch = Watch(partitions=1, silent_after_ms=45_000, started_ms=1_000)

    assert watch.judge(45_000) is None
    assert watch.judge(46_000) is not None


def test_a_second_partition_going_silent_is_news() -> None:
    watch = Watch(partitions=2, silent_after_ms=45_000, started_ms=0)
    watch.hear(1, 20_000)

    first = watch.judge(45_000)
    second = watch.judge(65_000)

    assert first is not None
    assert first.silent == (0,)
    assert second is not None
    assert second.silent == (0, 1)
    assert second.is_worse
