"""The roster: who is on duty and who is reached, at any instant.  Pure."""

import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

import msgspec

from alerting.people import times
from alerting.people.rota import POSTS, Chain, Cover, Desk, Person, Post, Rota, Whom
from alerting.people.times import DAY_MS
from lifeline.grades import GRADING, Grading
from lifeline.model import Text

CHUNKS_MAX = 512
"""Days of desks whose turns are remembered: a fortnight of a few dozen desks."""


class Turn(msgspec.Struct, frozen=True):
    """People at a post of a desk for a while; ``entry`` says where that is written."""

    post: Post
    persons: tuple[str, ...]
    begins_ms: int
    ends_ms: int
    entry: str


class Stray(msgspec.Struct, frozen=True):
    """An entry of a calendar that puts nobody on duty, and why."""

    entry: str
    text: Text


class Recipient(msgspec.Struct, frozen=True):
    """One person, reached by one target."""

    person: str
    target: str
    address: str
    language: Literal["zh", "en"]


class Lack(msgspec.Struct, frozen=True):
    """Why a step of a chain reached nobody: a key of ``LACKS`` in alerting.people.words."""

    step: int
    code: Literal["nobody", "quiet", "threshold", "address", "exercise"]
    persons: tuple[str, ...] = ()


class Reach(msgspec.Struct, frozen=True):
    """Who is reached, at which step of the chain, and why none before it reached anybody."""

    recipients: tuple[Recipient, ...]
    step: int
    lacks: tuple[Lack, ...] = ()
    is_last_resort: bool = False
    """No step reached anybody: everyone with an address is called."""


class Calendar(Protocol):
    """Turns that come from a file of their own."""

    def entries(self, from_ms: int, until_ms: int) -> Iterable[Turn | Stray]:
        """Those that touch the given time."""


@dataclass(slots=True)
class Roster:
    """Who is on duty and who is reached, at any instant.

    ``targets`` are those that can be sent by; None: whatever the roster names.
    """

    rota: Rota
    file: str
    calendars: Mapping[str, tuple[Calendar, ...]] = field(default_factory=dict)
    """By desk."""
    targets: frozenset[str] | None = None
    grades: Grading = GRADING
    """How what people are told of is called, and for which of it somebody is always reached."""
    zone: ZoneInfo = field(init=False)
    persons: dict[str, Person] = field(init=False)
    desks: dict[str, Desk] = field(init=False)
    chains: dict[int, Chain] = field(init=False)
    _near: dict[tuple[str, int], tuple[Turn, ...]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.zone = ZoneInfo(self.rota.timezone)
        self.persons = {person.name: person for person in self.rota.persons}
        self.desks = {desk.name: desk for desk in self.rota.desks}
        self.chains = {chain.grade: chain for chain in self.rota.chains}

    def wanted(self) -> frozenset[str]:
        """The targets that some chain uses."""
        steps = (step for chain in self.rota.chains for step in chain.steps)
        return frozenset(target for step in steps for target in step.targets)

    @property
    def can_page(self) -> bool:
        """Whether any of them is there at all."""
        return self.targets is None or not self.targets.isdisjoint(self.wanted())

    def desk_of(self, lifeline: str, zone: str) -> str:
        """The desk that an incident belongs to: by zone, then by lifeline, then whoever takes all.

        Where no desk takes it the city's does: an alarm is never nobody's.
        """

        def rank(desk: Desk) -> int | None:
            if desk.zones and not any(fnmatch.fnmatchcase(zone, p) for p in desk.zones):
                return None
            if desk.lifelines and lifeline not in desk.lifelines:
                return None
            return 0 if desk.zones else 1 if desk.lifelines else 2

        ranked = [(r, n) for n, desk in enumerate(self.rota.desks) if (r := rank(desk)) is not None]
        if ranked:
            return self.rota.desks[min(ranked)[1]].name
        tops = [desk.name for desk in self.rota.desks if not desk.parent]
        return tops[0]

    def line(self, desk: str) -> Iterator[str]:
        """The desk and those that it escalates to, upwards."""
        at = desk
        while at:
            yield at
            at = self.desks[at].parent

    def turns(self, desk: str, from_ms: int, until_ms: int) -> list[Turn]:
        """Every turn of the desk that touches the given time, covers not counted."""
        found = list(self._rotated(self.desks[desk], from_ms, until_ms))
        for calendar in self.calendars.get(desk, ()):
            entries = calendar.entries(from_ms, until_ms)
            found += [entry for entry in entries if isinstance(entry, Turn)]
        return sorted(found, key=lambda turn: (turn.begins_ms, POSTS.index(turn.post), turn.entry))

    def _rotated(self, desk: Desk, from_ms: int, until_ms: int) -> Iterator[Turn]:
        rotation = desk.rotation
        if rotation is None:
            return
        crews = {crew.name: crew for crew in desk.crews}
        for number, hours in enumerate(rotation.shifts):
            for day, begins_ms, ends_ms in times.spans(hours, from_ms, until_ms, self.zone):
                count = (day - rotation.starts).days * len(rotation.shifts) + number
                if count < 0:
                    continue
                crew = crews[rotation.order[count % len(rotation.order)]]
                entry = f"{self.file}: desk {desk.name}, crew {crew.name}"
                for post, persons in crew.posts.items():
                    yield Turn(post, persons, begins_ms, ends_ms, entry)

    def _turns_at(self, desk: str, at_ms: int) -> list[Turn]:
        chunk = at_ms // DAY_MS
        if (desk, chunk) not in self._near:
            if len(self._near) >= CHUNKS_MAX:
                self._near.clear()
            found = self.turns(desk, chunk * DAY_MS, (chunk + 1) * DAY_MS)
            self._near[desk, chunk] = tuple(found)
        return [t for t in self._near[desk, chunk] if t.begins_ms <= at_ms < t.ends_ms]

    def holders(self, desk: str, post: Post, at_ms: int) -> tuple[str, ...]:
        """Who holds a post: by shift, else standing; whoever is covered for is replaced."""
        shifts = [turn for turn in self._turns_at(desk, at_ms) if turn.post == post]
        names = [name for turn in shifts for name in turn.persons]
        return self._present(names or self.desks[desk].standing.get(post, ()), at_ms)

    def seat(self, desk: str, at_ms: int) -> str:
        """The desk itself; where it is part-time and nobody is there, the one that stands in."""
        for name in self.line(desk):
            if not self.desks[name].part_time or self.holders(name, "on-duty", at_ms):
                return name
        return desk

    def on_duty(self, desk: str, at_ms: int) -> tuple[str, ...]:
        """Who has the duty of a desk, or of the one that stands in; empty in a roster's gap."""
        return self.holders(self.seat(desk, at_ms), "on-duty", at_ms)

    def shift_ends_ms(self, desk: str, at_ms: int) -> int | None:
        """Until when whoever is on duty is; None where no shift ends it."""
        ends = [t.ends_ms for t in self._turns_at(desk, at_ms) if t.post == "on-duty"]
        return min(ends, default=None)

    def _present(self, names: Iterable[str], at_ms: int) -> tuple[str, ...]:
        """The people themselves, or whoever stands in for them; each once."""
        stand_ins = {
            cover.absent: cover.person
            for cover, begins_ms, ends_ms in self.covers()
            if begins_ms <= at_ms < ends_ms
        }
        found = [stand_ins.get(name, name) for name in names]
        return tuple(dict.fromkeys(name for name in found if name in self.persons))

    def covers(self) -> Iterator[tuple[Cover, int, int]]:
        """Every cover with its beginning and end in unix ms."""
        for cover in self.rota.covers:
            begins, ends = (t.replace(tzinfo=self.zone) for t in (cover.begins, cover.ends))
            yield cover, round(begins.timestamp() * 1000), round(ends.timestamp() * 1000)

    def members(self, desk: str, at_ms: int) -> tuple[str, ...]:
        """Everybody who ever holds a post of the desk or of those above it, whoever is on duty."""
        names: list[str] = []
        for name in self.line(desk):
            known = self.desks[name]
            held = [known.standing, *(crew.posts for crew in known.crews)]
            names += [one for posts in held for post in POSTS for one in posts.get(post, ())]
            names += [one for turn in self._turns_at(name, at_ms) for one in turn.persons]
        return self._present(names, at_ms)

    def whom(self, desk: str, whom: Whom, at_ms: int) -> tuple[str, ...]:
        """The people that a step of a chain means at an instant."""
        if whom == "everyone":
            return self.members(desk, at_ms)
        if whom == "list":
            return ()
        seat = self.seat(desk, at_ms)
        if whom == "parent-desk":
            parent = self.desks[seat].parent
            return self.on_duty(parent, at_ms) if parent else ()
        return self.holders(seat, whom, at_ms)

    def callable_for(self, *, drill: bool) -> Mapping[str, Person]:
        """Whom one may call in by hand: everybody, to an exercise those whom it names."""
        if not drill:
            return self.persons
        return {name: self.persons[name] for name in self.rota.drill.persons}

    def recipients(
        self, desk: str, grade: int, step: int, at_ms: int, *, drill: bool = False
    ) -> tuple[Recipient, ...]:
        """Who is paged at a step of the chain; where that step reaches nobody, at the next."""
        return self.reach(desk, grade, step, at_ms, drill=drill).recipients

    def reach(self, desk: str, grade: int, step: int, at_ms: int, *, drill: bool = False) -> Reach:
        """The same, with the step that was taken in the end, and why."""
        chain = self.chains.get(grade)
        if chain is None:
            return Reach((), step)
        step = min(step, len(chain.steps) - 1)
        if chain.steps[step].whom == "list":
            return Reach((), step)
        is_top = not self.desks[self.seat(desk, at_ms)].parent
        lacks: list[Lack] = []
        for number, taken in enumerate(chain.steps[step:], step):
            if taken.whom == "list" or (taken.whom == "parent-desk" and is_top):
                continue
            names = self.whom(desk, taken.whom, at_ms)
            found = self._sift(names, taken.targets, grade, at_ms, drill=drill)
            if isinstance(found, tuple):
                return Reach(found, number, tuple(lacks))
            lacks.append(Lack(number, found, names))
        if drill or (chain.hours == "working" and not self.is_working(at_ms)):
            return Reach((), step, tuple(lacks))
        everybody = self._everywhere(desk, at_ms)
        return Reach(everybody, len(chain.steps) - 1, tuple(lacks), is_last_resort=True)

    def _sift(
        self, names: Iterable[str], targets: Iterable[str], grade: int, at_ms: int, *, drill: bool
    ) -> tuple[Recipient, ...] | Literal["nobody", "quiet", "threshold", "address", "exercise"]:
        """Whoever of them can be reached, or what hindered the one who came nearest to it."""
        people = [self.persons[name] for name in names]
        if not people:
            return "nobody"
        if drill:
            people = [person for person in people if person.name in self.rota.drill.persons]
            if not people:
                return "exercise"
        people = [one for one in people if self.grades.reaches(grade, one.grade_max)]
        if not people:
            return "threshold"
        people = [person for person in people if not self.is_quiet(person, grade, at_ms)]
        if not people:
            return "quiet"
        return tuple(self.ways(people, targets)) or "address"

    def ways(self, people: Iterable[Person], targets: Iterable[str]) -> Iterator[Recipient]:
        """Every way by which these people are reached, of the targets that can be sent by."""
        wanted = [t for t in targets if self.targets is None or t in self.targets]
        for person in people:
            for target in wanted:
                if target in person.addresses:
                    yield Recipient(person.name, target, person.addresses[target], person.language)

    def _everywhere(self, desk: str, at_ms: int) -> tuple[Recipient, ...]:
        """The last resort: whoever has to do with the desk, else whoever there is, by any way."""
        for names in (self.members(desk, at_ms), tuple(self.persons)):
            people = [self.persons[name] for name in names]
            ways = sorted({target for person in people for target in person.addresses})
            found = tuple(self.ways(people, ways))
            if found:
                return found
        return ()

    def is_quiet(self, person: Person, grade: int, at_ms: int) -> bool:
        """Whether he is not to be paged now; for the top grade he always is."""
        if grade <= 1:
            return False
        return any(times.is_within(hours, at_ms, self.zone) for hours in person.quiet)

    def is_working(self, at_ms: int) -> bool:
        """Whether offices are staffed, and lists are read."""
        return times.is_working(self.rota.working, at_ms, self.zone)

    def person_of(self, login: str) -> Person | None:
        """The person who signs in to the console under that name."""
        named = (p for p in self.rota.persons if (p.login or p.name) == login)
        return next(named, None)
