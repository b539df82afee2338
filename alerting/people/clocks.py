"""The clocks of escalation, as the roster's chains set them.  Pure."""

from collections.abc import Iterable, Mapping

from alerting.people.rota import Chain
from alerting.policy import Clocks


def clocks_of(chains: Iterable[Chain]) -> Mapping[int, Clocks]:
    """By grade; one without a chain has none, and is only listed.

    The n-th time of ``escalate_s`` is when the n-th step after the first falls due.
    """
    return {
        chain.grade: Clocks(
            remind_s=float(chain.remind_s),
            escalate_s=tuple(float(step.after_s) for step in chain.steps[1:]),
            progress_s=float(chain.progress_s),
        )
        for chain in chains
    }
