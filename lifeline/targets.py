"""Who is written to, and by which way: the targets of notices and pages, checked once.  Pure."""

from types import MappingProxyType
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

Kind = Literal[
    "webhook", "wecom", "dingtalk", "feishu", "email", "ntfy", "sms", "voice", "mqtt", "syslog",
    "apprise",
]  # fmt: skip
WEB = ("http", "https")
ADDRESSES = MappingProxyType(
    {
        "wecom": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send",
        "dingtalk": "https://oapi.dingtalk.com/robot/send",
        "feishu": "https://open.feishu.cn/open-apis/bot/v2/hook",
    }
)
"""Where a vendor's robots are written to, for a target that names no URL."""


MACHINES = frozenset(("webhook", "mqtt"))
"""Kinds that are given our own bytes; the others tell people."""


class Shape(msgspec.Struct, frozen=True):
    """What a kind of target must have and may have, besides what every target has."""

    schemes: tuple[str, ...] = WEB
    needed: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()


def _shape(schemes: tuple[str, ...], needed: str, allowed: str = "") -> Shape:
    return Shape(schemes, frozenset(needed.split()), frozenset(allowed.split()))


SHAPES = MappingProxyType(
    {
        "webhook": _shape(WEB, "url secret_file"),
        "wecom": _shape(WEB, "token_file", "url"),
        "dingtalk": _shape(WEB, "token_file secret_file", "url"),
        "feishu": _shape(WEB, "token_file secret_file", "url"),
        "email": _shape(("smtp", "smtps"), "url sender", "username secret_file recipients ca_file"),
        "ntfy": _shape(WEB, "url topic", "token_file"),
        "sms": _shape(WEB, "url secret_file", "recipients success_code"),
        "voice": _shape(WEB, "url secret_file", "recipients success_code"),
        "mqtt": _shape(("mqtt", "mqtts"), "url topic", "username secret_file ca_file"),
        "syslog": _shape(("tcp", "tls", "udp"), "url", "ca_file"),
        "apprise": _shape((), "secret_file"),
    }
)
OF_A_KIND = (
    "url", "secret_file", "token_file", "topic", "username", "sender", "recipients", "ca_file",
    "success_code",
)  # fmt: skip
"""The keys that have a use for some kinds alone."""


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One receiver, and the way to it."""

    name: str
    url: str = ""
    """Where; a robot of WeCom, DingTalk or Feishu has its vendor's.  smtp:// and smtps:// for
    e-mail, mqtt:// and mqtts://, tcp://, tls:// and udp:// for syslog."""
    secret_file: str = ""
    """What requests are signed with, or the password of ``username``, or apprise's whole URL.  Two
    lines while it is being changed: the first signs, both are believed."""
    key_id: str = "1"
    timeout_s: Annotated[float, Meta(gt=0)] = 10.0
    private_allowed: bool = False
    """Whether the address may be loopback or private (SSRF guard)."""
    grade_max: Annotated[int, Meta(ge=0, le=9)] = 0
    """The least grave grade that it is told of, that of devices too; 0: whatever happens in the
    city, and no device's fault: that is a matter for maintenance."""
    lifelines: tuple[str, ...] = ()
    """The lifelines that it is told of; empty: all of the city's, but not the canary, which is
    told to the target ``watchdog`` alone."""
    desks: tuple[str, ...] = ()
    """The desks of whose incidents it is told; empty: of all."""
    format: Literal["json", "cap", "cap-gb", "case"] = "json"
    """What it is sent: our own JSON, CAP 1.2, CAP with the identifiers and codes of the GB/T 35965
    style profile, or a case of the city's management."""
    system: str = "city"
    """With ``case``: which system of ``deploy/exchange`` it is."""
    sign_within_s: Annotated[float, Meta(ge=0)] = 0.0
    """How long it may take to sign for an alert before people are told; 0: nobody waits for it."""
    kind: Kind = "webhook"
    """Signed webhook, a messenger's robot, e-mail, ntfy, the signed gateway for SMS or voice calls,
    MQTT for sirens and boards, syslog, or whatever one apprise URL reaches."""
    token_file: str = ""
    """A robot's key (WeCom), access token (DingTalk) or hook (Feishu); ntfy's access token."""
    topic: str = ""
    """Of ntfy or MQTT."""
    username: str = ""
    sender: str = ""
    """Whom an e-mail is from."""
    recipients: tuple[str, ...] = ()
    """Addresses or numbers that are told, where no person of the roster is."""
    ca_file: str = ""
    """The authority that signed its certificate, where that is not a public one."""
    language: Literal["zh", "en"] = "zh"
    """In which it is told, where no person of the roster is."""
    success_code: str = "OK"
    """The code in the answer of an SMS or voice gateway that means delivered."""
    per_minute: Annotated[int, Meta(ge=0)] = 0
    """Messages that it takes in a minute; 0: what its vendor documents."""
    bundle_s: Annotated[float, Meta(gt=0)] = 30.0
    """When more waits than may go one by one: everything as one message, this often."""

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise ValueError(f"target {self.name or '?'}: {problem}")

    @property
    def address(self) -> str:
        """Its URL: its own, or its vendor's."""
        return self.url or ADDRESSES.get(self.kind, "")

    @property
    def host(self) -> str:
        """The host that it is reached at; empty for apprise, whose URL is a secret."""
        return urlsplit(self.address).hostname or ""


def _problem(target: Target) -> str:
    """Why a target cannot be used; '' when it can."""
    shape, kind = SHAPES[target.kind], target.kind
    blank = {f.name: f.default for f in msgspec.structs.fields(Target)}
    given = {key for key in OF_A_KIND if getattr(target, key) != blank[key]}
    missing = shape.needed - given
    if missing:
        return f"kind {kind} needs {_listed(missing)}."
    useless = given - shape.needed - shape.allowed
    if useless:
        return f"kind {kind} has no use for {_listed(useless)}."
    if target.format != "json" and kind != "webhook":
        return f"format {target.format} goes by webhook alone."
    if bool(target.username) != bool(target.secret_file) and "username" in shape.allowed:
        return "username and secret_file (its password) go together."
    if kind == "apprise":
        if not target.private_allowed:
            return (
                "apprise goes where its URL says, and nobody looks at the address first:"
                " set private_allowed = true to say that this may be."
            )
        return ""
    return _address_problem(target.address, shape.schemes)


def _address_problem(url: str, schemes: tuple[str, ...]) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        return f"{url!r} is no URL: {error}."
    if parts.scheme not in schemes or not parts.hostname:
        return f"{url!r} is none of {', '.join(f'{scheme}://host' for scheme in schemes)}."
    if parts.username or parts.password:
        return "a URL holds no user or password: they belong into files."
    return ""


def _listed(keys: set[str] | frozenset[str]) -> str:
    return ", ".join(key for key in OF_A_KIND if key in keys)


def hosts_problem(targets: tuple[Target, ...], hosts: tuple[str, ...]) -> str:
    """Why these targets do not keep to the list of hosts; '' when they do, or there is none."""
    if not hosts:
        return ""
    for target in targets:
        if target.host not in hosts:
            where = target.host or "where its secret URL says"
            return f"target {target.name} goes to {where}, which hosts_allowed does not name."
    return ""
