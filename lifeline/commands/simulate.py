"""``lifeline simulate``: the demo city, a recorded trace, load, or the platform's stand-in."""

import asyncio
import base64
import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from lifeline import wire
from lifeline.catalog import Device
from lifeline.commands.outcome import Config, Json, fail, print_json, settings_from, spoken
from lifeline.config import Mqtt, Settings
from lifeline.store import open_catalog, read_secret
from lifeline.telemetry import now_ms

if TYPE_CHECKING:
    from simulators.base import Scenario, Truth, Uplink
    from simulators.city import City
    from simulators.mischief import Mischief

STORIES = {
    "demo": "One leak or fault in each lifeline within three minutes, each repaired after minutes.",
    "calm": "A healthy city: whatever is found in it is a false alarm.",
    "leaks": "A gas leak every --every seconds, each at its own well.",
}
Flag = typer.Option


# The flags, one word each: mqttx's where it has one.
Host = Annotated[str, Flag("-h", "--host", help="Broker; default: the settings'.")]
Port = Annotated[int, Flag("-p", "--port", help="Port of the broker, or of --platform.")]
Username = Annotated[str, Flag("-u", "--username", help="MQTT user name.")]
PasswordFile = Annotated[str, Flag("-P", "--password-file", help="File with the MQTT password.")]
Qos = Annotated[int, Flag("-q", "--qos", help="1 alone: what is lost at 0 is lost.")]
ClientId = Annotated[str, Flag("-I", "--client-id", help="MQTT client id.")]
Cafile = Annotated[str, Flag(help="Certificate authority for TLS.")]
Cert = Annotated[str, Flag(help="Client certificate.")]
Key = Annotated[str, Flag(help="Client key.")]
Count = Annotated[int, Flag("-c", "--count", help="Only so many devices; 0: all.")]
ConnectInterval = Annotated[
    int,
    Flag("-i", "--interval", help="Milliseconds between connects; one connection needs none."),
]
MessageInterval = Annotated[
    int,
    Flag(
        "-im",
        "--message-interval",
        help="Milliseconds between a device's messages; 0: catalog's.",
    ),
]
Limit = Annotated[int, Flag("-L", "--limit", help="End after so many messages; 0: never.")]
Seconds = Annotated[float, Flag(help="End after so many seconds; 0: never.")]
Story = Annotated[str, Flag("-sc", "--scenario", help="See --list.")]
Every = Annotated[float, Flag(help="For leaks: seconds from one to the next.")]
Leaks = Annotated[int, Flag(help="For leaks: how many.")]
Seed = Annotated[int, Flag(help="The same seed makes the same city.")]
Speed = Annotated[float, Flag(help="How much faster than the clock slow physics runs.")]
Gateway = Annotated[str, Flag(help="The device whose last will this connection carries.")]
Spool = Annotated[str, Flag(help="File of the spool; without it, in memory.")]
TruthFile = Annotated[str, Flag(help="Append what really happens to this JSONL file.")]
Ledger = Annotated[str, Flag(help="Append what was sent and acknowledged to this JSONL file.")]
Resend = Annotated[float, Flag(help="Seconds without ingest's word before a resend.")]
Drain = Annotated[float, Flag(help="Seconds to wait at the end for the last words.")]
Faults = Annotated[
    list[str] | None,
    Flag(help="KIND[:RATE[:TARGET[:AMOUNT]]], e.g. duplicate:0.05 or nan:0.01:gas-*"),
]
ShowList = Annotated[bool, Flag("--list", "-ls", help="The scenarios.")]
DryRun = Annotated[bool, Flag(help="Print the first messages and end.")]
TraceFile = Annotated[str, Flag(help="Send a recorded JSONL trace instead of the city.")]
Load = Annotated[float, Flag(help="Readings a second of raw load instead of the city.")]
PerMessage = Annotated[int, Flag(help="For --load: readings a message.")]
Channels = Annotated[int, Flag(help="For --load: channels of the benchmark catalog.")]
Steps = Annotated[int, Flag(help="For --load: planted steps.")]
Boot = Annotated[int, Flag(help="For --load: the devices' boot number.")]
Platform = Annotated[bool, Flag(help="Be the emergency platform's stand-in.")]
SecretFile = Annotated[str, Flag(help="For --platform: the signing secret.")]
Record = Annotated[str, Flag(help="For --platform: JSONL file of every request.")]
Callback = Annotated[str, Flag(help="For --platform: the console to which receipts are signed.")]
Repairs = Annotated[str, Flag(help="What a line of this file names is mended from then on.")]


def simulate(
    config: Config = None, host: Host = "", port: Port = 0, username: Username = "",
    password_file: PasswordFile = "", qos: Qos = 1, client_id: ClientId = "", cafile: Cafile = "",
    cert: Cert = "", key: Key = "", count: Count = 0, connect_interval: ConnectInterval = 0,
    message_interval: MessageInterval = 0, limit: Limit = 0, seconds: Seconds = 0.0,
    story: Story = "demo", every: Every = 20.0, leaks: Leaks = 10, seed: Seed = 1,
    speed: Speed = 60.0, gateway: Gateway = "gw-city-01", spool: Spool = "", truth: TruthFile = "",
    ledger: Ledger = "", resend: Resend = 15.0, drain: Drain = 30.0, fault: Faults = None,
    show_list: ShowList = False, dry_run: DryRun = False, trace: TraceFile = "", load: Load = 0.0,
    per_message: PerMessage = 100, channels: Channels = 10000, steps: Steps = 0, boot: Boot = 1,
    platform: Platform = False, secret_file: SecretFile = "", record: Record = "platform.jsonl",
    callback: Callback = "", repairs: Repairs = "", as_json: Json = False,
) -> None:  # fmt: skip
    """Send what a city's sensors would send, lose nothing, and know what really happened.

    Example:  lifeline simulate -h 127.0.0.1 -p 1883 --seed 7 --truth truth.jsonl --spool spool.db

    Example:  lifeline simulate --platform --port 8090 --secret-file secret --record pushes.jsonl

    Ends with 1 if ingest still owes an acknowledgement, with 2 if no broker was reached.

    A trace is a JSON line a message: {"ms":…,"topic":…,"payload":base64}.
    """
    if show_list:
        _print_stories(as_json=as_json)
        return
    if qos != 1 or connect_interval < 0:
        raise fail(
            "--qos must be 1 and --interval not negative: the no-loss sender knows no other."
        )
    if platform:
        with spoken():
            _be_platform(port, secret_file, record, callback, as_json=as_json)
        return
    settings = settings_from(config)
    mqtt = _broker(settings, host, port, (username, password_file), (cafile, cert, key))
    if load > 0:
        _run_load(
            mqtt, (load, per_message, seconds or 10.0, channels, steps, boot), seed, as_json=as_json
        )
        return
    with spoken():
        devices = list(open_catalog(settings.catalog.compiled).devices()) if not trace else []
    devices = devices[:count] if count else devices
    with spoken():
        source = _source(
            trace, devices, seed, speed, message_interval, _told(story, devices, every, leaks)
        )
        mischief = _mischief(fault or [], seed)
    if dry_run:
        _print_first(source, limit or 10)
        return
    from simulators.service import Sending

    sending = Sending(
        mqtt, client_id=client_id or "lifeline-simulate", gateway=_carried(gateway, devices),
        spool=spool or ":memory:", truth=truth, ledger=ledger, resend_s=resend, seconds=seconds,
        limit=limit, drain_s=drain,
    )  # fmt: skip
    _send(sending, _mended(source, repairs), devices, mischief, as_json=as_json)


def _print_stories(*, as_json: bool) -> None:
    if as_json:
        print_json(STORIES)
        return
    for name, text in STORIES.items():
        typer.echo(f"{name:8} {text}")


def _broker(
    settings: Settings, host: str, port: int, login: tuple[str, str], tls: tuple[str, str, str]
) -> Mqtt:
    given = {
        "host": host, "port": port, "username": login[0], "password_file": login[1],
        "ca_file": tls[0], "cert_file": tls[1], "key_file": tls[2],
    }  # fmt: skip
    return msgspec.structs.replace(settings.mqtt, **{k: v for k, v in given.items() if v})


def _carried(gateway: str, devices: list[Device]) -> str:
    return gateway if any(device.name == gateway for device in devices) else ""


def _told(story: str, devices: list[Device], every_s: float, n: int) -> "tuple[Scenario, ...]":
    from simulators import city

    match story:
        case "demo":
            return city.DEMO
        case "calm":
            return ()
        case "leaks":
            wells = [d.asset for d in devices if d.model == "gas-well"][:n]
            return city.planted_leaks(wells, 3.0, every_s, 3.0 * every_s)
    raise fail(f"There is no scenario {story}: take one of {', '.join(STORIES)}.")


def _source(
    trace: str, devices: list[Device], seed: int, speed: float, message_ms: int,
    scenarios: "tuple[Scenario, ...]",
) -> Any:  # fmt: skip
    import numpy as np

    from simulators import city
    from simulators.trace import read_trace

    if trace:
        return read_trace(_lines(trace), now_ms(), speed=1.0)
    # The catalog's fastest interval of 1 s is pace 1: -im sets it for the fastest, the rest follow.
    pace = message_ms / 1000.0 if message_ms else 1.0
    return city.build_city(
        devices, np.random.default_rng(seed), now_ms(), speed=speed, pace=pace, scenarios=scenarios
    )


class _Mended:
    """A city that is mended while it runs, as the lines of a file say."""

    def __init__(self, city: "City", file: Path) -> None:
        self.city = city
        self.devices, self.start_ms, self.truth = city.devices, city.start_ms, city.truth
        self._file = file
        self._done = 0

    def step(self, at_ms: int) -> "list[Uplink]":
        """Everything to send since the last call; what was mended meanwhile is mended first."""
        try:
            data = self._file.read_bytes()
        except FileNotFoundError:
            data = b""
        whole = data[: data.rfind(b"\n") + 1].decode("utf-8", "replace").splitlines()
        for what in whole[self._done :]:
            self.city.mend(what.strip())
        self._done = len(whole)
        return self.city.step(at_ms)


def _mended(source: Any, repairs: str) -> Any:
    from simulators.city import City

    return _Mended(source, Path(repairs)) if repairs and isinstance(source, City) else source


def _lines(path: str) -> Iterator[dict[str, Any]]:
    with Path(path).open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                entry = json.loads(line)
                entry["payload"] = base64.b64decode(entry["payload"])
            except (ValueError, KeyError, TypeError) as error:
                raise fail(f"{path} line {number} is no line of a trace: {error}.") from error
            yield entry


def _mischief(faults: list[str], seed: int) -> "Mischief | None":
    import numpy as np

    from simulators.mischief import Fault, Mischief

    made = []
    for text in faults:
        kind, rate, target, amount = [*text.split(":"), "", "", ""][:4]
        try:
            given = {
                "kind": kind,
                "rate": float(rate or 0.01),
                "target": target or "*",
                "amount": float(amount or 60),
            }
            made.append(msgspec.convert(given, Fault))
        except (msgspec.ValidationError, ValueError) as error:
            raise fail(f"--fault {text}: {error}.") from error
    return Mischief(made, np.random.default_rng(seed + 1)) if made else None


def _print_first(source: Any, n: int) -> None:
    from simulators.base import encode

    shown, at_ms = 0, source.start_ms
    while shown < n and at_ms < source.start_ms + 600_000:
        at_ms += 100
        for uplink in source.step(at_ms):
            if shown < n:
                payload = encode(uplink, 0, shown)
                text = (
                    payload.decode()
                    if uplink.wave is None
                    else f"<{len(payload)} bytes of waveform>"
                )
                typer.echo(f"{wire.MQTT_ROOT}/{uplink.device}/{uplink.suffix} {text}")
                shown += 1


def _send(
    sending: Any, source: Any, devices: list[Device], mischief: "Mischief | None", *, as_json: bool
) -> None:
    from simulators.service import run_devices

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())

    def say(told: "Truth") -> None:
        if not as_json:
            typer.echo(f"{told.what} at {told.asset} begins ({told.hazard})")

    names = {(d.name, c.local): c.name for d in devices for c in d.channels}
    with spoken():
        report = run_devices(
            sending, source, source.devices, names=names, mischief=mischief, stop=stop, say=say
        )
    if as_json:
        print_json(report)
    kept = f"stay in {sending.spool}" if sending.spool != ":memory:" else "are lost"
    if not report.connects:
        where = f"{sending.mqtt.host}:{sending.mqtt.port}"
        raise fail(
            f"The broker at {where} took no connection: {report.owed} messages {kept}."
            " `lifeline stack up`, or give --host and --port."
        )
    if not as_json:
        _closing(report.published, report.elapsed_s)
    if report.owed:
        raise fail(
            f"Ingest has not acknowledged {report.owed} messages: they {kept}."
            " See that `lifeline ingest` runs.",
            1,
        )


def _closing(messages: int, elapsed_s: float) -> None:
    typer.echo(
        f"Published total: {messages}, message rate: {messages / max(elapsed_s, 1e-9):.0f}/s"
    )


def _run_load(
    mqtt: Mqtt, given: tuple[float, int, float, int, int, int], seed: int, *, as_json: bool
) -> None:
    from simulators.load.service import Plan, generate

    rate, per_message, seconds, channels, steps, boot = given
    with spoken():
        report = generate(
            Plan(
                rate,
                seconds,
                per_message,
                channels,
                host=mqtt.host,
                port=mqtt.port,
                boot=boot,
                seed=seed,
                steps=steps,
            )
        )
    if as_json:
        print_json(report)
    else:
        _closing(report.messages, report.elapsed_s)


def _be_platform(port: int, secret_file: str, record: str, callback: str, *, as_json: bool) -> None:
    if not secret_file:
        raise fail("--platform needs --secret-file: the secret that signs what it receives.")
    secret = read_secret(secret_file)

    def heard(line: dict[str, object]) -> None:
        shown = {k: v for k, v in line.items() if k != "body"}
        typer.echo(
            json.dumps(shown) if as_json else f"{line['path']} {line['status']} {line['verdict']}"
        )

    async def run() -> None:
        from simulators.platform import Control, serve

        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        control = Control(callback=callback, words=("ack",) if callback else ())
        server, _ = await serve(secret, record, port=port, heard=heard, control=control)
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        typer.echo(json.dumps({"url": address}) if as_json else f"Listening on {address}")
        await stop.wait()
        server.close()

    asyncio.run(run())
