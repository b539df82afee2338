"""``roster.toml`` from text, or a sentence for everything that is wrong with it.  Pure."""

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from alerting.people.rota import Desk, Rota
from lifeline.entries import wrongs


class RosterError(ValueError):
    """The roster cannot be used; ``problems`` are sentences that name file and entry."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def parse(text: str, file: str) -> Rota:
    """The roster as written; raises RosterError."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RosterError([f"{file} is not TOML: {error}"]) from error
    problems = list(wrongs(file, tree, Rota))
    if problems:
        raise RosterError(problems)
    rota = msgspec.convert(tree, Rota)
    problems = [f"{file}: {problem}" for problem in _unfit(rota)]
    if problems:
        raise RosterError(problems)
    return rota


def _unfit(rota: Rota) -> Iterator[str]:
    """What no entry shows by itself."""
    try:
        ZoneInfo(rota.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield f"timezone {rota.timezone} is none that this machine knows"
    yield from _twice("person", (person.name for person in rota.persons))
    yield from _twice("login", (person.login or person.name for person in rota.persons))
    yield from _twice("desk", (desk.name for desk in rota.desks))
    yield from _twice("chain of grade", (str(chain.grade) for chain in rota.chains))
    known = {person.name for person in rota.persons}
    for place, name in _named(rota):
        if name not in known:
            yield f"{place} names {name}, who is no person of the roster"
    for desk in rota.desks:
        yield from _crews(desk)
    yield from _parents(rota)


def _twice(what: str, names: Iterable[str]) -> Iterator[str]:
    for name, times in Counter(names).items():
        if times > 1:
            yield f"{what} {name} stands there {times} times"


def _named(rota: Rota) -> Iterator[tuple[str, str]]:
    """Every place that names a person."""
    for desk in rota.desks:
        for post, names in desk.standing.items():
            yield from ((f"desk {desk.name}, standing {post}", name) for name in names)
        for crew in desk.crews:
            for post, names in crew.posts.items():
                yield from ((f"desk {desk.name}, crew {crew.name}, {post}", n) for n in names)
    for cover in rota.covers:
        place = f"cover of {cover.begins:%Y-%m-%d %H:%M}"
        yield from ((place, name) for name in (cover.person, cover.absent))
    yield from (("drill", name) for name in rota.drill.persons)


def _crews(desk: Desk) -> Iterator[str]:
    yield from (
        f"desk {desk.name}: {text}" for text in _twice("crew", (c.name for c in desk.crews))
    )
    if desk.rotation is None:
        if desk.crews:
            yield f"desk {desk.name} has crews but no rotation: nobody's turn ever comes"
        return
    crews = {crew.name for crew in desk.crews}
    for name in dict.fromkeys(desk.rotation.order):
        if name not in crews:
            yield f"desk {desk.name}, rotation names {name}, which is no crew of the desk"


def _parents(rota: Rota) -> Iterator[str]:
    desks = {desk.name: desk for desk in rota.desks}
    for desk in rota.desks:
        if desk.parent and desk.parent not in desks:
            yield f"desk {desk.name}: parent {desk.parent} is no desk of the roster"
            continue
        above, at = {desk.name}, desk.parent
        while at in desks and at not in above:
            above.add(at)
            at = desks[at].parent
        if at == desk.name:
            yield f"desk {desk.name} is its own parent, directly or by others"
