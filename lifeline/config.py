"""``lifeline.toml`` into typed settings: one section a stage, no required key, every default here.

Pure: the text and the environment are arguments; ``lifeline.store`` reads them.
"""

import difflib
import tomllib
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from lifeline.grades import GRADES, Grade, Grading, unfit
from lifeline.life import Life
from lifeline.targets import Target, hosts_problem

Port = Annotated[int, Meta(ge=0, le=65535)]
Seconds = Annotated[float, Meta(gt=0)]
Milliseconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
RetentionDays = Annotated[int, Meta(ge=9)]
"""Readings come up to 7 days late, and aggregates are computed anew
for 8: raw rows outlast both."""
ROUTINE = "routine"
"""The retention class of readings for which the catalog names none."""


class ConfigError(ValueError):
    """A setting cannot be used; the sentence names file, key and remedy."""


class Mqtt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The broker that sensors publish to."""

    host: str = "127.0.0.1"
    port: Port = 1883
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    keepalive_s: Count = 15


class Kafka(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The log between the stages."""

    bootstrap: str = "127.0.0.1:9092"
    partitions: Count = 12
    replication: Count = 1
    send_timeout_s: Seconds = 10.0
    """Longest wait for acks=all; then the outcome is unknown and the input stays unacknowledged."""
    retention_h: Count = 168


class Postgres(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where incidents, offsets, snapshots and readings end."""

    dsn: str = "postgresql://lifeline@127.0.0.1:5432/lifeline"
    password_file: str = ""
    pool_max: Count = 4
    statement_timeout_s: Seconds = 10.0


class CatalogFiles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the catalog is written, and where its compiled form lies."""

    sources: tuple[str, ...] = ("deploy/lifelines",)
    compiled: str = ".lifeline/catalog.bin"
    review: Literal["off", "required"] = "off"
    """required: rules and limits change through `lifeline config propose` alone, and where lives
    depend on them two persons must agree; right for a city, in the way of a demo."""


class Ingest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """MQTT to Kafka."""

    instance: Annotated[int, Meta(ge=0)] = 0
    """Fixed: it names the broker's session.  Two processes must differ."""
    batch_ms: Milliseconds = 25.0
    batch_bytes: Count = 4 * 1024 * 1024
    tick_s: Seconds = 1.0
    ahead_s_max: Seconds = 120.0
    behind_s_max: Seconds = 7 * 86400.0


class Detect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Readings to findings."""

    snapshot_s: Seconds = 5.0
    lateness_s: Seconds = 3600.0
    """How far behind the newest reading of its own channel one is still judged as late."""
    held_s: Seconds = 60.0
    blind_start_s: Seconds = 900.0
    """Re-read from a blank state when PostgreSQL is away at start."""
    session_s: Seconds = 6.0
    shadow: str = ""
    """A profile's file: run beside the live profile of its name, without alarms; '' for none."""


class Archive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Readings to TimescaleDB."""

    transaction_rows_max: Count = 50_000
    queue_rows_max: Count = 500_000
    compress_after_h: Count = 24
    retention_days: dict[str, RetentionDays] = msgspec.field(
        default_factory=lambda: {"features": 30, ROUTINE: 90, "regulatory": 1095}
    )
    """Class -> days for which its readings are kept; the catalog names the class of a quantity."""
    aggregate_days: RetentionDays = 1095
    session_s: Seconds = 6.0

    def __post_init__(self) -> None:
        if ROUTINE not in self.retention_days:
            raise ValueError(f"retention_days lacks {ROUTINE}, the class of whatever names none")


class Router(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Findings to incidents to notices."""

    targets: tuple[Target, ...] = ()
    retry_s_max: Seconds = 30.0
    breaker_failures: Count = 5
    breaker_open_s: Seconds = 10.0
    refused_attempts_max: Count = 3
    lease_s: Seconds = 20.0
    public_url: str = "http://127.0.0.1:8080"
    """What links in notices begin with."""
    sender: str = "urban-lifeline"
    fast_grade: Annotated[int, Meta(ge=0, le=9)] = 1
    """Findings of this grade or graver are pushed also while PostgreSQL is away; 0: none."""
    fast_after_s: Seconds = 3.0
    """How long PostgreSQL may be away before that begins."""
    past_folder: str = ".lifeline/past"
    """Where what is sent without PostgreSQL is noted, lest a kill tell it twice; '' for nowhere."""
    hosts_allowed: tuple[str, ...] = ()
    """The hosts that targets may have; empty: those that they name."""
    correlation: str = "deploy/correlation.toml"
    """What belongs together within and across lifelines, and how risk is weighed."""
    plans: tuple[str, ...] = ("deploy/plans",)
    """What to do at each hazard: files or folders."""

    def __post_init__(self) -> None:
        problem = hosts_problem(self.targets, self.hosts_allowed)
        if problem:
            raise ValueError(problem)


class Console(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The duty officer's pages and the API."""

    host: str = "127.0.0.1"
    port: Port = 8080
    language: Literal["auto", "zh", "en"] = "auto"
    idle_s: Seconds = 900.0
    session_h: Seconds = 12.0
    secure_cookie: bool = True
    stale_after_s: Seconds = 30.0
    timezone: str = "Asia/Shanghai"
    """The city's time, in which pages speak."""
    second_factor_required: bool = False
    """Whether everybody needs a code; without, those who were given a second factor do."""
    second_factor_key_file: str = ""
    """Without it, who reads the database can make codes.  Another key:
    everybody is enrolled anew."""


class Watchdog(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The canary and the voice that speaks when it is missing."""

    canary_s: Seconds = 15.0
    silent_after_s: Seconds = 45.0
    host: str = "127.0.0.1"
    port: Port = 8090
    """Where the canary's own pushes arrive: the router's target ``watchdog`` names it."""
    secret_file: str = ""
    """What those pushes are signed with; the router's target ``watchdog`` names the same file."""
    told_file: str = ".lifeline/watchdog.json"
    """Which silence was announced, so that a watchdog that is begun anew tells its return too."""
    targets: tuple[Target, ...] = ()
    """Where silence is announced, by routes of its own: of every kind that notices have."""

    def __post_init__(self) -> None:
        for target in self.targets:
            if target.format != "json":
                raise ValueError(f"target {target.name}: silence is no incident: format = json.")
            if target.kind in NAMING and not target.recipients:
                raise ValueError(f"target {target.name}: kind {target.kind} needs recipients here.")


NAMING = frozenset(("email", "sms", "voice"))
"""Kinds that reach somebody by address: the watchdog knows no roster."""
May = Literal["receipts", "cases", "warnings", "zones"]


class Partner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another organisation's system that calls us: what it may do, and with which keys."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    keys: dict[str, str]
    """Key id to the file of its secret: one, and a second one while they are being changed."""
    may: tuple[May, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= len(self.keys) <= 2:
            raise ValueError(f"partner {self.name}: one key, or two while they are being changed")


class Exchange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The emergency platform, the city's case desk and whoever warns us: what they may send."""

    tables: str = "deploy/exchange"
    """Codes agreed with others: issuer, events, zones, cases, warnings."""
    zones_s: Seconds = 600.0
    """How often the state of every zone is made for others."""
    partners: tuple[Partner, ...] = ()

    def __post_init__(self) -> None:
        ids = [key for partner in self.partners for key in partner.keys]
        if len(ids) != len(set(ids)):
            raise ValueError("partners: two keys bear one id")


class Audit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The proof of what was done: seals, and where they are written down outside."""

    seal_s: Seconds = 1.0
    """How often the lines that came meanwhile are sealed."""
    anchor_s: Seconds = 60.0
    """How often the newest seal is written down outside."""
    anchor_file: str = ".lifeline/anchors/audit.log"
    """A folder of its own, best on another disk; '' for none."""
    syslog_host: str = ""
    """A log host of somebody else's, which gets every anchor too."""
    syslog_port: Port = 514
    syslog_protocol: Literal["tcp", "udp"] = "tcp"


class Evidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Readings copied for an incident, so that retention cannot take them."""

    reach_s: Seconds = 3600.0
    """How far before and after each finding, and the end, they reach; for a slow sensor further."""
    rows_max: Count = 200_000
    """Readings of one incident; what would be more is left out, and that is said."""


class People(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is paged: the roster, and the links that pages carry."""

    roster: str = "deploy/roster.toml"
    """Desks, shifts, escalation; empty: nobody is paged."""
    link_secret_file: str = ""
    """What the links of pages are made with; without it each router draws its own."""
    link_h: Annotated[float, Meta(gt=0, le=168)] = 24.0
    """How long a link holds."""


class Drill(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Exercises on the real chain."""

    scenarios: tuple[str, ...] = ("deploy/drills",)
    """What can be played: files or folders."""


class Telemetry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Logs and metrics.  Each service serves /metrics, /healthz and /readyz on loopback."""

    log: Literal["auto", "json", "console"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"
    port: Port = 0
    """0: the service's own default, see ``PORTS`` in lifeline.telemetry."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be set.  ``Settings()`` runs on one machine as it is."""

    mqtt: Mqtt = Mqtt()
    kafka: Kafka = Kafka()
    postgres: Postgres = Postgres()
    catalog: CatalogFiles = CatalogFiles()
    ingest: Ingest = Ingest()
    detect: Detect = Detect()
    archive: Archive = Archive()
    router: Router = Router()
    life: Life = Life()
    console: Console = Console()
    watchdog: Watchdog = Watchdog()
    exchange: Exchange = Exchange()
    audit: Audit = Audit()
    evidence: Evidence = Evidence()
    people: People = People()
    drill: Drill = Drill()
    telemetry: Telemetry = Telemetry()
    grades: Annotated[tuple[Grade, ...], Meta(min_length=1)] = GRADES
    """The grading table, the gravest first: names, colours, order, words of CAP, clocks."""

    def __post_init__(self) -> None:
        for problem in unfit(self.grades):
            raise ValueError(f"grades: {problem}")

    @property
    def grading(self) -> Grading:
        """The grading table as its readers ask it."""
        return Grading(self.grades)


PREFIX = "LIFELINE_"
NOT_SETTINGS = frozenset({"stack", "config", "fault"})
"""Words after the prefix that others read: the local servers, the
command line, the fault programme."""


def sections() -> dict[str, msgspec.structs.FieldInfo]:
    """The settings' sections by name; ``grades`` is none, but a list of tables."""
    fields = msgspec.structs.fields(Settings)
    return {field.name: field for field in fields if field.name != "grades"}


def load(text: str, file: str, environ: Mapping[str, str]) -> tuple[Settings, dict[str, str]]:
    """The settings, and for every ``section.key`` where its value came from.

    The environment (``LIFELINE_MQTT_HOST``) overrides the file, the file the
    defaults.  Lists of tables (``router.targets``) come from the file, or from the
    environment as JSON.  Raises ConfigError.
    """
    try:
        tree: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{file} is not TOML: {error}. Mend the line and run `lifeline config check`."
        ) from error
    origin = {
        f"{section}.{key}": file
        for section, keys in tree.items()
        if isinstance(keys, dict)
        for key in keys
    }
    if "grades" in tree:
        origin["grades"] = file
    known = sections()
    for name, value in environ.items():
        if not name.startswith(PREFIX):
            continue
        section, _, key = name.removeprefix(PREFIX).lower().partition("_")
        if section not in known:
            _refuse_misspelt(name, section, list(known))
            continue  # LIFELINE_STACK_… and other words that are not settings
        kinds = {f.name: f.type for f in msgspec.structs.fields(known[section].type)}
        if key not in kinds:
            raise ConfigError(
                f"{name} names no setting: section {section} has {', '.join(sorted(kinds))}."
            )
        tree.setdefault(section, {})[key] = _value(name, value, kinds[key])
        origin[f"{section}.{key}"] = name
    try:
        return msgspec.convert(tree, Settings), origin
    except msgspec.ValidationError as error:
        raise ConfigError(f"{file}: {error}. See `lifeline config explain`.") from error


def _refuse_misspelt(name: str, section: str, sections: list[str]) -> None:
    # Only what looks like a slip: a container platform may set
    # variables with our prefix of its own.
    meant = difflib.get_close_matches(section, sections, n=1, cutoff=0.7)
    if section not in NOT_SETTINGS and meant:
        raise ConfigError(
            f"{name} names no section: {PREFIX}{meant[0].upper()}_… may be meant;"
            " `lifeline config explain` lists all."
        )


def _value(name: str, text: str, kind: Any) -> Any:
    while typing.get_origin(kind) is Annotated:
        kind = typing.get_args(kind)[0]
    structured = typing.get_origin(kind) in (tuple, list, dict, types.UnionType)
    try:
        if structured:
            return msgspec.json.decode(text.encode())
        return msgspec.convert(text, kind, strict=False)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ConfigError(
            f"{name}={text!r}: {str(error).rstrip('.')}. See `lifeline config explain`."
        ) from error


def listing(settings: Settings, origin: Mapping[str, str]) -> list[tuple[str, Any, str]]:
    """(key, value, where it came from) for every setting, in the order of the sections."""
    rows: list[tuple[str, Any, str]] = []
    for section in sections().values():
        values = getattr(settings, section.name)
        for field in msgspec.structs.fields(values):
            key = f"{section.name}.{field.name}"
            rows.append((key, getattr(values, field.name), origin.get(key, "default")))
    rows.append(("grades", settings.grades, origin.get("grades", "default")))
    return rows
