"""What the two accidents are played with: the shipped rules and plans, a roster, its clocks."""

import tomllib
from pathlib import Path

from alerting.correlate import Correlator
from alerting.notices import Wording
from alerting.people.clocks import clocks_of
from alerting.people.paging import Paging
from alerting.people.roster import Roster
from alerting.plans import parse_book
from alerting.policy import Policy
from alerting.rulegraph import parse_rules
from alerting.slices import Page
from lifeline import config
from lifeline.catalog import Catalog
from lifeline.life import Life
from tests.alerting.people import city as people
from tests.alerting.scene import Scene

RULES = Path("deploy/correlation.toml")
RULE_TREE = tomllib.loads(RULES.read_text(encoding="utf-8"))
BOOK = parse_book(
    (str(file), tomllib.loads(file.read_text(encoding="utf-8")))
    for file in sorted(Path("deploy/plans").glob("*.toml"))
)


def roster() -> Roster:
    """The small city's people, at their posts at any hour."""
    standing = {"on-duty": ("wang",), "second": ("zhao",), "leader": ("chief",)}
    return people.roster(desks=people.desk("gas", standing=standing, crews=(), rotation=None))


class Accident(Scene):
    """A city's desk in virtual time: the shipped rules, the chains' clocks, pages to people."""

    def __init__(self, catalog: Catalog) -> None:
        self.correlator = Correlator(catalog, parse_rules(str(RULES), RULE_TREE))
        self.roster = roster()
        clocks = clocks_of(self.roster.chains.values())
        super().__init__(Policy(clocks=clocks, correlator=self.correlator, life=Life()))
        settings = config.Router(public_url="https://city.example")
        self.paging = Paging(self.roster, Wording(catalog, settings), b"secret")

    def rung(self) -> list[tuple[str, int, tuple[str, ...]]]:
        """Who was called for what, in order: (kind and step, grade, people)."""
        found = []
        for effect in self.effects:
            if isinstance(effect, Page):
                pushes = self.paging.pages(effect, self.slice.incidents[effect.incident])
                persons = tuple(dict.fromkeys(push.person for push in pushes))
                found.append((f"{effect.kind} {effect.step}", effect.grade, persons))
        return found
