"""The catalog as it would be with another version of one profile: for shadow and what-if.  Pure."""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from lifeline.artefact import ArtefactError, unpack
from lifeline.catalog import Catalog, CatalogError, Group, Rule
from lifeline.profiles import Profile, spread


class Candidate(msgspec.Struct, frozen=True):
    """A profile that is being tried, and the catalog as it would be with it."""

    profile: Profile
    catalog: Catalog
    digest: str
    """Of the profile and of what was calibrated for it; not of the rest of the catalog."""

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups that it watches."""
        return tuple(g for g in self.catalog.head.groups if g.profile == self.profile.name)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Its own rules, as they watch those groups."""
        ours = rules_of(self.catalog, self.profile.name)
        return tuple(rule for rule in self.catalog.head.rules if rule.id in ours)


def artefact_of(group: Group) -> str:
    """The file in which a group's artefact is looked for: the one it names, else one by its name.

    >>> artefact_of(Group("water/a/all", "water/a", ()))
    'water__a__all.art'
    """
    return group.artefact or f"{group.name.replace('/', '__')}.art"


def rules_of(catalog: Catalog, profile: str) -> frozenset[str]:
    """The ids of the rules that a catalog's groups have by a profile."""
    lifelines = {catalog.lifeline_of(g.zone) for g in catalog.head.groups if g.profile == profile}
    begins = tuple(f"{lifeline}.{profile}." for lifeline in lifelines)
    return frozenset(rule.id for rule in catalog.head.rules if rule.id.startswith(begins))


def exchanged(catalog: Catalog, profile: Profile, artefacts: Mapping[str, bytes]) -> Candidate:
    """The catalog with ``profile`` in the place of the one of its name; raises CatalogError.

    ``artefacts``: what was calibrated for it, by file; a group keeps its own where none is here.
    """
    groups = [group for group in catalog.head.groups if group.profile == profile.name]
    if not groups:
        have = ", ".join(sorted({g.profile for g in catalog.head.groups if g.profile})) or "none"
        raise CatalogError([f"profile {profile.name} watches no group: groups name {have}"])
    here = {file: artefacts[file] for file in map(artefact_of, groups) if file in artefacts}
    for file, packed in here.items():
        try:
            unpack(packed)
        except ArtefactError as error:
            raise CatalogError([f"{file}: {error}"]) from error
    digest = hashlib.blake2b(msgspec.json.encode(profile), digest_size=12)
    for file in sorted(here):
        digest.update(file.encode() + here[file])
    head = msgspec.structs.replace(
        catalog.head,
        rules=tuple(_rules(catalog, profile, groups)),
        groups=tuple(
            msgspec.structs.replace(group, artefact=artefact_of(group))
            if group in groups and artefact_of(group) in here
            else group
            for group in catalog.head.groups
        ),
    )
    return Candidate(profile, catalog.varied(head, here), digest.hexdigest())


def _rules(catalog: Catalog, profile: Profile, groups: Sequence[Group]) -> list[Rule]:
    """All rules, those of the profile where the old ones stood: their order decides who masks."""
    rules = list(catalog.head.rules)
    old = rules_of(catalog, profile.name)
    for lifeline in dict.fromkeys(catalog.lifeline_of(group.zone) for group in groups):
        own = [group for group in groups if catalog.lifeline_of(group.zone) == lifeline]
        found = (catalog.find(name) for group in own for name in group.channels)
        quantities = {pair[1].name: pair[1].quantity for pair in found if pair is not None}
        prefix = f"{lifeline}.{profile.name}."
        replaced = {rule_id for rule_id in old if rule_id.startswith(prefix)}
        places = [k for k, rule in enumerate(rules) if rule.id in replaced]
        start = places[0] if places else len(rules)
        kept = [rule for rule in rules if rule.id not in replaced]
        rules = [*kept[:start], *spread(profile, lifeline, own, quantities), *kept[start:]]
    return rules
