"""The house's rules with less and less in them: for a finding on which one of them fails.  Pure.

Nobody loses an alarm because a rule had a mistake: what the network, the weather or the roster
would say of it is left out, and the alarm with its incident and its notice stays.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from alerting.notices import Wording
from alerting.policy import WEEKDAYS, Policy

LeftOut = Literal["rules", "pages"]


def plainer(wording: Wording) -> Iterator[tuple[LeftOut, Wording]]:
    """The same without what belongs together and holds; then also without roster and treatments.

    People are paged as long as that is not what fails.
    """
    policy = wording.policy
    bare = replace(policy, correlator=None, parents=None, conditions=())
    yield "rules", replace(wording, policy=bare)
    plain = Policy(grades=policy.grades, clocks=policy.clocks, life=policy.life)
    assert plain.is_working is WEEKDAYS
    yield "pages", replace(wording, policy=plain, pager=None, desk_of=None)
