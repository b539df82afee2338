"""Would somebody be reached?  A roster looked through, instant by instant.  Pure.

Between two boundaries (a shift, a cover, quiet hours that begin or end) nothing about a roster
changes, so looking at every boundary and every full hour is looking at every instant.
"""

from collections.abc import Iterator

import msgspec

from alerting.people import times
from alerting.people.roster import Lack, Reach, Roster, Stray
from alerting.people.rota import POSTS, Chain, Desk, Step
from alerting.people.times import DAY_MS
from alerting.people.words import LACKS, PROBLEMS, WHOM, both, say
from lifeline import words
from lifeline.grades import ESCALATE_S_MAX, PROGRESS_S_MAX, REMIND_S_MAX
from lifeline.model import Text

HOUR_MS = 3_600_000
_STEP = ("{n} {whom}：{lacking}", "step {n}, {whom}: {lacking}")


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong with a roster."""

    code: str
    """A key of ``PROBLEMS``, or ``calendar`` for an event of a file."""
    entry: str
    """The file, and the entry in it."""
    text: Text
    is_grave: bool
    """Somebody who should be reached would not be."""
    desk: str = ""
    grade: int = 0
    begins_ms: int = 0
    ends_ms: int = 0

    def sentence(self, language: words.Language) -> str:
        """File, entry, and what is wrong."""
        return f"{self.entry}: {self.text.said(language)}"


def check(roster: Roster, from_ms: int, days: int = 14) -> list[Problem]:
    """Everything that is wrong with a roster now and in the days to come, the gravest first."""
    until_ms = from_ms + days * DAY_MS
    found = [
        *_chains(roster),
        *_holes(roster, from_ms, until_ms),
        *_strangers(roster, from_ms, until_ms),
        *_gaps(roster, from_ms, until_ms),
        *_overlaps(roster, from_ms, until_ms),
        *_covers(roster),
        *_addresses(roster),
    ]
    return sorted(found, key=lambda problem: not problem.is_grave)


def is_refused(problems: list[Problem]) -> bool:
    """Whether nobody should rely on the roster."""
    return any(problem.is_grave for problem in problems)


def instants(roster: Roster, from_ms: int, until_ms: int) -> list[int]:
    """Every instant at which something about the roster may change, and every full hour."""
    found = {from_ms, *range(from_ms - from_ms % HOUR_MS + HOUR_MS, until_ms, HOUR_MS)}
    for desk in roster.desks:
        for turn in roster.turns(desk, from_ms, until_ms):
            found |= {turn.begins_ms, turn.ends_ms}
    for _, begins_ms, ends_ms in roster.covers():
        found |= {begins_ms, ends_ms}
    for person in roster.persons.values():
        for hours in person.quiet:
            for _, begins_ms, ends_ms in times.spans(hours, from_ms, until_ms, roster.zone):
                found |= {begins_ms, ends_ms}
    return sorted(at_ms for at_ms in found if from_ms <= at_ms < until_ms)


def _grade(roster: Roster, level: int) -> Text:
    return Text(roster.grades.word(level, "zh"), f"{level} {roster.grades.word(level, 'en')}")


def _chains(roster: Roster) -> Iterator[Problem]:
    entry = f"{roster.file}: chains"
    for grade in roster.grades.top:
        chain = roster.chains.get(grade)
        if chain is None or chain.hours != "any":
            text = both(PROBLEMS, "no-chain", grade=_grade(roster, grade))
            yield Problem("no-chain", entry, text, is_grave=True, grade=grade)
        elif _is_slow(chain):
            text = both(
                PROBLEMS,
                "slow-chain",
                grade=_grade(roster, grade),
                remind=f"{REMIND_S_MAX:g}",
                escalate=f"{ESCALATE_S_MAX:g}",
                progress=f"{PROGRESS_S_MAX:g}",
            )
            yield Problem("slow-chain", entry, text, is_grave=True, grade=grade)
    for level in sorted(set(roster.chains) - {grade.level for grade in roster.grades.rows}):
        text = both(PROBLEMS, "no-grade", grade=str(level))
        yield Problem("no-grade", entry, text, is_grave=False, grade=level)
    missing = () if roster.targets is None else roster.wanted() - roster.targets
    for target in sorted(missing):
        text = both(PROBLEMS, "no-target", target=target)
        yield Problem("no-target", entry, text, is_grave=False)


def _is_slow(chain: Chain) -> bool:
    """Whether its clocks are beyond what a grading table may set for what pages at any hour."""
    nobody_else = len(chain.steps) < 2 or chain.steps[1].after_s > ESCALATE_S_MAX
    return nobody_else or chain.remind_s > REMIND_S_MAX or chain.progress_s > PROGRESS_S_MAX


def _holes(roster: Roster, from_ms: int, until_ms: int) -> Iterator[Problem]:
    moments = instants(roster, from_ms, until_ms)
    for desk in roster.desks:
        for grade in sorted(roster.chains):
            hole: tuple[int, Reach] | None = None
            for at_ms in moments:
                reach = roster.reach(desk, grade, 0, at_ms)
                is_hole = reach.is_last_resort or not reach.recipients
                if is_hole and hole is None:
                    hole = (at_ms, reach)
                elif hole is not None and not is_hole:
                    yield _hole(roster, desk, grade, hole[0], at_ms, hole[1])
                    hole = None
            if hole is not None:
                yield _hole(roster, desk, grade, hole[0], until_ms, hole[1])


def _hole(
    roster: Roster, desk: str, grade: int, begins_ms: int, ends_ms: int, reach: Reach
) -> Problem:
    text = both(
        PROBLEMS,
        "hole",
        desk=roster.desks[desk].title,
        begins=times.clock(begins_ms, roster.zone),
        ends=times.clock(ends_ms, roster.zone),
        grade=_grade(roster, grade),
        why=why(roster, roster.chains[grade], reach.lacks),
    )
    entry = f"{roster.file}: desk {desk}"
    return Problem("hole", entry, text, True, desk, grade, begins_ms, ends_ms)


def why(roster: Roster, chain: Chain, lacks: tuple[Lack, ...]) -> Text:
    """Step by step why nobody was reached."""

    def one(lack: Lack, language: words.Language) -> str:
        people = words.joined(_titles(roster, lack.persons, language), language)
        lacking = say(LACKS, lack.code, language, people=people)
        whom = say(WHOM, chain.steps[lack.step].whom, language)
        return words.said(_STEP, language).format(n=lack.step + 1, whom=whom, lacking=lacking)

    return Text(
        "；".join(one(lack, "zh") for lack in lacks), "; ".join(one(lack, "en") for lack in lacks)
    )


def _titles(roster: Roster, names: tuple[str, ...], language: words.Language) -> list[str]:
    return [roster.persons[name].title.said(language) for name in names]


def _strangers(roster: Roster, from_ms: int, until_ms: int) -> Iterator[Problem]:
    for desk, calendars in roster.calendars.items():
        for calendar in calendars:
            for one in calendar.entries(from_ms, until_ms):
                if isinstance(one, Stray):
                    yield Problem("calendar", one.entry, one.text, is_grave=True, desk=desk)


def _gaps(roster: Roster, from_ms: int, until_ms: int) -> Iterator[Problem]:
    """Times at which a desk that should be staffed is not, whoever may stand in for it."""
    moments = instants(roster, from_ms, until_ms)
    for desk in roster.desks.values():
        if desk.part_time:
            continue
        since_ms: int | None = None
        for at_ms in moments:
            is_empty = not roster.holders(desk.name, "on-duty", at_ms)
            if is_empty and since_ms is None:
                since_ms = at_ms
            elif since_ms is not None and not is_empty:
                yield _gap(roster, desk, since_ms, at_ms)
                since_ms = None
        if since_ms is not None:
            yield _gap(roster, desk, since_ms, until_ms)


def _gap(roster: Roster, desk: Desk, begins_ms: int, ends_ms: int) -> Problem:
    begins, ends = (times.clock(at_ms, roster.zone) for at_ms in (begins_ms, ends_ms))
    text = both(PROBLEMS, "gap", desk=desk.title, begins=begins, ends=ends)
    entry = f"{roster.file}: desk {desk.name}"
    return Problem("gap", entry, text, True, desk.name, 0, begins_ms, ends_ms)


def _overlaps(roster: Roster, from_ms: int, until_ms: int) -> Iterator[Problem]:
    for desk in roster.desks:
        turns = roster.turns(desk, from_ms, until_ms)
        for post in POSTS:
            mine = [turn for turn in turns if turn.post == post]
            for n, one in enumerate(mine):
                for other in mine[n + 1 :]:
                    if other.begins_ms >= one.ends_ms:
                        break
                    begins_ms, ends_ms = other.begins_ms, min(one.ends_ms, other.ends_ms)
                    text = both(
                        PROBLEMS,
                        "overlap",
                        desk=roster.desks[desk].title,
                        post=both(WHOM, post),
                        begins=times.clock(begins_ms, roster.zone),
                        ends=times.clock(ends_ms, roster.zone),
                        entries=f"{one.entry}; {other.entry}",
                    )
                    yield Problem("overlap", one.entry, text, True, desk, 0, begins_ms, ends_ms)


def _covers(roster: Roster) -> Iterator[Problem]:
    covers = sorted(roster.covers(), key=lambda cover: cover[1:])
    for n, (one, _, ends_ms) in enumerate(covers):
        for other, begins_ms, other_ends_ms in covers[n + 1 :]:
            if other.absent != one.absent or begins_ms >= ends_ms:
                continue
            last_ms = min(ends_ms, other_ends_ms)
            text = both(
                PROBLEMS,
                "cover-twice",
                person=roster.persons[one.absent].title,
                begins=times.clock(begins_ms, roster.zone),
                ends=times.clock(last_ms, roster.zone),
                people=f"{one.person}, {other.person}",
            )
            entry = f"{roster.file}: covers"
            yield Problem("cover-twice", entry, text, True, "", 0, begins_ms, last_ms)


def _addresses(roster: Roster) -> Iterator[Problem]:
    """People whom a step means and a target of it cannot reach, whoever is on duty."""
    told: set[tuple[str, str]] = set()
    for desk in roster.desks:
        for chain in roster.chains.values():
            for number, step in enumerate(chain.steps, 1):
                for name in _ever(roster, desk, step):
                    person = roster.persons[name]
                    missing = [t for t in step.targets if t not in person.addresses]
                    is_cut_off = len(missing) == len(step.targets)
                    code = "unreachable" if is_cut_off else "no-address"
                    for target in missing[:1] if is_cut_off else missing:
                        is_spared = not roster.grades.reaches(chain.grade, person.grade_max)
                        if is_spared or (name, code + target) in told:
                            continue
                        told.add((name, code + target))
                        text = both(
                            PROBLEMS,
                            code,
                            person=person.title,
                            target=target,
                            desk=roster.desks[desk].title,
                            grade=_grade(roster, chain.grade),
                            step=str(number),
                        )
                        entry = f"{roster.file}: person {name}"
                        yield Problem(code, entry, text, is_cut_off, desk, chain.grade)


def _ever(roster: Roster, desk: str, step: Step) -> tuple[str, ...]:
    """Whoever a step may mean at some time, by what the roster itself says."""
    at = roster.desks[desk].parent if step.whom == "parent-desk" else desk
    if not at or step.whom == "list":
        return ()
    known = roster.desks[at]
    posts = POSTS if step.whom == "everyone" else tuple(p for p in POSTS if p == step.whom)
    if step.whom == "parent-desk":
        posts = ("on-duty",)
    held = [known.standing, *(crew.posts for crew in known.crews)]
    names = [name for holding in held for post in posts for name in holding.get(post, ())]
    return tuple(dict.fromkeys(names))
