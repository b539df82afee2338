"""Who is told of what: by lifeline, grade and desk, from the settings.  Pure."""

from collections.abc import Iterable

from lifeline.grades import Grading
from lifeline.model import CANARY
from lifeline.targets import Target

WATCHDOG = "watchdog"
"""This target is told of the canary, and of nothing else unless its lifelines say so."""

ADDRESSED = frozenset(("email", "sms", "voice"))
"""Ways that must be told whom to reach: without recipients of their own they are the roster's."""


def wants(target: Target, lifeline: str, grade: int, grades: Grading, desk: str = "") -> bool:
    """Whether a target is told of incidents of this lifeline, grade and desk."""
    if target.desks and desk not in target.desks:
        return False
    if not grades.reaches(grade, target.grade_max):
        return False
    if target.kind in ADDRESSED and not target.recipients:
        return False
    if target.lifelines:
        return lifeline in target.lifelines
    return (lifeline == CANARY) == (target.name == WATCHDOG)


def targets_for(
    targets: Iterable[Target], lifeline: str, grade: int, grades: Grading, desk: str = ""
) -> list[Target]:
    """The targets to tell, in the order of the settings."""
    return [target for target in targets if wants(target, lifeline, grade, grades, desk)]
