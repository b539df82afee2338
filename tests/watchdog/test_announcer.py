"""The watchdog's own voice: signed, repeated until somebody accepts, and never behind the times."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

from lifeline import signing
from lifeline.config import Settings, Target
from lifeline.config import Watchdog as Watching
from tests.alerting.test_channels import target as channel_target
from tests.vendors.servers import SECRET as VENDORS_SECRET
from tests.vendors.servers import TOKEN, vendor
from watchdog.canary import Verdict, Watch
from watchdog.service import Dog, _announce, _judge, _read_told
from watchdog.voice import Silence, said_of

SECRET = "s3cret"
SILENT = Verdict(is_worse=True, silent=(1, 4), since_ms=10_000, at_ms=55_000)
BACK = Verdict(is_worse=False, silent=(), since_ms=70_000, at_ms=70_000)


class Office(ThreadingHTTPServer):
    """Whoever is told: keeps what came, and answers with ``statuses`` in turn, then with 200."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.statuses: list[int] = []
        self.heard: list[tuple[str, Silence]] = []
        self.problems: list[str] = []


class _Answer(BaseHTTPRequestHandler):
    server: Office

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.problems.append(
            signing.problem(SECRET, dict(self.headers), body, int(time.time()))
        )
        told = msgspec.json.decode(body, type=Silence)
        self.server.heard.append((self.headers["Idempotency-Key"], told))
        statuses = self.server.statuses
        self.send_response(statuses.pop(0) if statuses else 200)
        self.end_headers()
        self.wfile.write(b'{"accepted": true}')

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def offices() -> Iterator[list[Office]]:
    made = [Office(), Office()]
    threads = [threading.Thread(target=one.serve_forever, args=(0.02,)) for one in made]
    for thread in threads:
        thread.start()
    yield made
    for one, thread in zip(made, threads, strict=True):
        one.shutdown()
        thread.join()
        one.server_close()


@pytest.fixture
async def dog(offices: list[Office], tmp_path: Path) -> AsyncIterator[Dog]:
    (tmp_path / "secret").write_text(SECRET)
    targets = tuple(
        Target(
            f"office-{n}",
            f"http://127.0.0.1:{one.server_port}/silence",
            str(tmp_path / "secret"),
            timeout_s=2.0,
            private_allowed=True,
        )
        for n, one in enumerate(offices)
    )
    log = structlog.stdlib.get_logger("lifeline.test")
    told_file = str(tmp_path / "told" / "watchdog.json")
    settings = Settings(watchdog=Watching(targets=targets, told_file=told_file))
    made = Dog(settings, log, Watch(2, 45_000, started_ms=0), SECRET)
    announcing = asyncio.create_task(_announce(made))
    yield made
    announcing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await announcing


async def until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(5.0):
        while not fact():  # noqa: ASYNC110 - the offices are threads
            await asyncio.sleep(0.01)


async def test_every_target_is_told_with_its_own_key(dog: Dog, offices: list[Office]) -> None:
    dog.waiting.put_nowait(said_of(SILENT, 0))
    await until(lambda: all(one.heard for one in offices))

    told = [one.heard[0][1] for one in offices]
    assert told == [said_of(SILENT, 0)] * 2
    assert (told[0].kind, told[0].partitions, told[0].since_ms) == ("silence", (1, 4), 10_000)
    assert "1、4" in told[0].zh
    assert "1, 4" in told[0].en
    assert "1, 4" in told[0].en
    assert len({one.heard[0][0] for one in offices}) == 2
    assert [one.problems for one in offices] == [[""], [""]]


async def test_the_return_is_told_as_such(dog: Dog, offices: list[Office]) -> None:
    dog.waiting.put_nowait(said_of(BACK, 0))
    await until(lambda: bool(offices[0].heard))

    assert (offices[0].heard[0][1].kind, offices[0].heard[0][1].partitions) == ("return", ())


async def test_what_everybody_was_told_is_known_to_the_next_watchdog(
    dog: Dog, offices: list[Office], tmp_path: Path
) -> None:
    file = Path(dog.settings.watchdog.told_file)
    offices[1].statuses = [503]

    dog.waiting.put_nowait(said_of(SILENT, 0))
    await until(lambda: bool(offices[0].heard))
    before = _read_told(str(file), dog.log)
    await until(file.exists)
    told = _read_told(str(file), dog.log)
    dog.waiting.put_nowait(said_of(BACK, 0))
    await until(lambda: _read_told(str(file), dog.log) == ())

    assert (before, told) == ((), (1, 4))
    strange = ("", str(tmp_path), dog.settings.watchdog.targets[0].secret_file)
    assert [_read_told(name, dog.log) for name in strange] == [()] * 3


async def test_a_disk_that_is_full_keeps_nobody_from_hearing(
    dog: Dog, offices: list[Office], tmp_path: Path
) -> None:
    (tmp_path / "told").write_text("a file where the folder should be")

    for verdict in (SILENT, BACK):
        dog.waiting.put_nowait(said_of(verdict, 0))
    await until(lambda: bool(offices[0].heard) and offices[0].heard[-1][1].kind == "return")


async def test_a_target_that_refuses_is_told_again_under_the_same_key(
    dog: Dog, offices: list[Office]
) -> None:
    offices[0].statuses = [503, 403]

    dog.waiting.put_nowait(said_of(SILENT, 0))
    await until(lambda: len(offices[0].heard) == 3)

    assert len({key for key, _ in offices[0].heard}) == 1
    assert len(offices[1].heard) == 1


async def test_what_happened_since_overtakes_what_nobody_accepted(
    dog: Dog, offices: list[Office]
) -> None:
    offices[0].statuses = [503]

    dog.waiting.put_nowait(said_of(SILENT, 0))
    dog.waiting.put_nowait(said_of(BACK, 0))
    await until(lambda: len(offices[0].heard) == 2)

    assert [told.kind for _, told in offices[0].heard] == ["silence", "return"]


@pytest.mark.parametrize("kind", ["wecom", "dingtalk", "feishu", "ntfy", "sms", "voice"])
async def test_people_hear_of_silence_by_every_way_that_notices_go(
    kind: str, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(VENDORS_SECRET)
    (tmp_path / "token").write_text(TOKEN)
    async with vendor(kind) as there:
        way = channel_target(kind, there.url, tmp_path)
        settings = Settings(watchdog=Watching(targets=(way,), told_file=""))
        log = structlog.stdlib.get_logger("lifeline.test")
        dog = Dog(settings, log, Watch(2, 45_000, started_ms=0), (SECRET,))
        announcing = asyncio.create_task(_announce(dog))
        dog.waiting.put_nowait(said_of(SILENT, 0))
        await until(lambda: len(there.took) == 1)
        dog.waiting.put_nowait(said_of(BACK, 0))
        await until(lambda: len(there.took) == 2)
        announcing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await announcing

    silence, back = (msgspec.json.encode(one).decode() for one in there.took)
    assert "数据分区 1、4 的自检读数未到达" in silence
    assert "监测链路已恢复" in back


async def test_a_way_with_a_fault_of_its_own_keeps_nobody_else_from_hearing(
    dog: Dog, offices: list[Office], tmp_path: Path
) -> None:
    broken = Target("broken", "http://127.0.0.1:9/", str(tmp_path / "junk"), private_allowed=True)
    (tmp_path / "junk").write_bytes(b"\xff\xfe")
    sound = dog.settings.watchdog.targets[0]
    settings = Settings(watchdog=Watching(targets=(broken, sound), told_file=""))
    one = Dog(settings, dog.log, dog.watch, (SECRET,))
    announcing = asyncio.create_task(_announce(one))

    for verdict in (SILENT, BACK):
        one.waiting.put_nowait(said_of(verdict, 0))
    await until(lambda: len(offices[0].heard) == 2)

    assert not announcing.done()
    announcing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await announcing


async def test_silence_that_lasts_is_put_to_the_voice_once(dog: Dog) -> None:
    dog.settings = Settings()
    spoken: list[Silence] = []
    dog.waiting.put_nowait = spoken.append  # type: ignore[method-assign]

    judging = asyncio.create_task(_judge(dog))
    await asyncio.sleep(0)
    judging.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await judging

    assert [(told.kind, told.partitions) for told in spoken] == [("silence", (0, 1))]


async def test_a_wall_clock_that_is_set_back_hides_no_silence(
    dog: Dog, monkeypatch: pytest.MonkeyPatch
) -> None:
    dog.settings = Settings()
    dog.watch.started_ms = dog.watch.silent_after_ms = 0
    monkeypatch.setattr("watchdog.service.now_ms", lambda: -7_200_000)
    spoken: list[Silence] = []
    dog.waiting.put_nowait = spoken.append  # type: ignore[method-assign]

    judging = asyncio.create_task(_judge(dog))
    await asyncio.sleep(0)
    judging.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await judging

    assert [(told.kind, told.at_ms) for told in spoken] == [("silence", -7_200_000)]


async def test_of_too_many_verdicts_the_oldest_is_dropped() -> None:
    log = structlog.stdlib.get_logger("lifeline.test")
    dog = Dog(Settings(), log, Watch(1, 45_000, started_ms=0), SECRET)
    while not dog.waiting.full():
        dog.waiting.put_nowait(said_of(BACK, 0))

    judging = asyncio.create_task(_judge(dog))
    await asyncio.sleep(0)
    judging.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await judging

    waiting = [dog.waiting.get_nowait().kind for _ in range(dog.waiting.qsize())]
    assert (waiting[-1], len(waiting)) == ("silence", 100)
