"""What was agreed with other organisations, as written in ``deploy/exchange/*.toml``.  Pure.

Codes of the standards are data: a city fills in what its own authority has allotted, and every
table says whether somebody has read the clause that it follows.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from lifeline.model import UNTITLED, Text

Name = Annotated[str, Meta(min_length=1, max_length=128)]
Digits = Annotated[int, Meta(ge=0, le=99)]
Point = tuple[float, float]
"""WGS-84 longitude, latitude."""

Category = Literal[
    "Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport", "Infra",
    "CBRNE", "Other",
]  # fmt: skip
Response = Literal[
    "Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None"
]
Step = Literal["filed", "dispatched", "handling", "checking", "closed"]
"""The five steps of a case of the city's management: 立案、派遣、处置、核查、结案."""
CaseAction = Literal["dispatch", "arrive", "note"]
"""What another system's word may do to an incident of ours.  Closing is not among them: an
incident closes on evidence, never on a word."""


class Issuer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who speaks, in the codes of the GB/T 35965 style profile; the clause text is unverified."""

    name: Text = Text("城市生命线安全运行监测中心", "Urban Lifeline Monitoring Centre")
    area: Annotated[str, Meta(pattern=r"^\d{6}$")] = "000000"
    """GB/T 2260."""
    organ: Annotated[str, Meta(pattern=r"^\d{3}$")] = "000"
    """GB/T 4657."""
    unit: Annotated[str, Meta(pattern=r"^\d{3}$")] = "000"
    extensions: tuple[Digits, Digits] = (0, 0)
    """First and last extension code that are ours.  Notices are spread over them, because the
    last digit of an identifier counts only ten notices of one second."""
    offset_minutes: Annotated[int, Meta(ge=-840, le=840)] = 480
    """From world time; all times of a document are given in it."""
    restriction: Text = Text("仅供应急指挥机构使用", "For emergency authorities only")
    verified: bool = False

    def __post_init__(self) -> None:
        if self.extensions[0] > self.extensions[1]:
            raise ValueError("extensions: the first is greater than the last")


class EventKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a hazard is to the outside: class, code, how far it reaches, what to do."""

    category: Category = "Infra"
    code: str = ""
    """GB/T 35561, where somebody has filled it in."""
    verified: bool = False
    response: tuple[Response, ...] = ("Monitor",)
    radius_m: Annotated[float, Meta(gt=0, le=100_000)] = 100.0
    instruction: Text = UNTITLED


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A zone as others know it."""

    geocode: Annotated[str, Meta(pattern=r"^\d{6,15}$")] = "000000"
    """GB/T 2260 and, where there is one, the street's code behind it."""
    desk: str = ""
    """The district's desk, where no roster says otherwise."""
    outline: tuple[Point, ...] = ()

    def __post_init__(self) -> None:
        if self.outline and (len(self.outline) < 4 or self.outline[0] != self.outline[-1]):
            raise ValueError("outline: four points or more, the last one the first again")


class CaseState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A state of the other system's cases, and what it means to us."""

    code: Name
    step: Step
    title: Text
    action: CaseAction = "note"


class CaseClass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The other system's class of an event of ours: main class, sub-class, title."""

    main: Name
    sub: Name
    title: Text


class CaseSystem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One city-management platform: its words and the units that it sends."""

    state: tuple[CaseState, ...] = ()
    kind: dict[str, CaseClass] = {}
    """Our hazard to its class; '' stands for every other hazard."""
    unit: dict[str, str] = {}
    """Our desk to its unit; '' stands for the city's own."""
    verified: bool = False


class Regime(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a warning from outside switches on, and where."""

    events: tuple[Name, ...]
    """The warning's event codes or names."""
    regime: Name
    """The kind of the context records that are made: by it findings, rules and plans know it."""
    severities: tuple[str, ...] = ()
    """Only of these severities; empty: of any."""
    lifelines: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    """Empty, both: every zone that the warning's area codes name."""
    hours: Annotated[float, Meta(gt=0, le=240)] = 24.0
    """How long it holds where the warning does not say."""


class CallKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What people tell on the telephone, and what that is to the desk."""

    kind: Annotated[str, Meta(pattern="^[a-z0-9-]{1,64}$")]
    title: Text
    hazard: Name
    lifeline: Name
    grade: Annotated[int, Meta(ge=1, le=9)]
    confidence: Annotated[float, Meta(gt=0, le=1)] = 0.5


class Tables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything agreed.  ``Tables()`` makes valid documents without any file."""

    issuer: Issuer = Issuer()
    event: dict[str, EventKind] = {}
    """By hazard."""
    place: dict[str, Place] = {}
    """By zone."""
    case: dict[str, CaseSystem] = {}
    """By the name of the other system."""
    regime: tuple[Regime, ...] = ()
    call: tuple[CallKind, ...] = ()

    def kind_of(self, hazard: str) -> EventKind:
        """What a hazard is to the outside."""
        return self.event.get(hazard, EventKind())

    def place_of(self, zone: str) -> Place:
        """A zone as others know it."""
        return self.place.get(zone, Place(self.issuer.area))


def read(trees: Mapping[str, Mapping[str, Any]]) -> Tables:
    """The tables from parsed files, name -> tree; raises ValueError naming the file."""
    whole: dict[str, Any] = {}
    for file, tree in trees.items():
        for key, value in tree.items():
            if key in whole:
                raise ValueError(f"{file}: [{key}] stands in another file as well")
            whole[key] = value
        try:
            msgspec.convert(tree, Tables)
        except msgspec.ValidationError as error:
            raise ValueError(f"{file}: {error}") from error
    return msgspec.convert(whole, Tables)
