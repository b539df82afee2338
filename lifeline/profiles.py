"""Profiles: the rules of one kind of network or sensor, put over every group that names it.  Pure.

A utility declares a group and its profile; what is judged, and with which numbers, is the same for
all networks of a kind.  The rules that come of it are ordinary rules: reviewed, versioned, bounded.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from lifeline.catalog import CatalogError, Group, Rule, Source, channel_name
from lifeline.entries import wrongs
from lifeline.model import UNTITLED, Text
from lifeline.network import Name

EVERY = "*"
"""The quantity of a rule that watches all channels of its groups."""


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One TOML file of ``deploy/profiles``.

    A rule that names a quantity watches the channels of that quantity in its groups; one that names
    none watches the groups.
    """

    name: Name
    title: Text = UNTITLED
    far_per_sensor_year: Annotated[float, Meta(gt=0)] = 0.2
    """How many false alarms its detectors are meant to raise in a year, for each sensor."""
    rule: tuple[Rule, ...] = ()


def parse_profile(file: str, tree: dict[str, Any]) -> Profile:
    """One profile from its parsed TOML; raises CatalogError with every wrong entry of the file."""
    try:
        profile = msgspec.convert(tree, Profile)
    except msgspec.ValidationError as error:
        raise CatalogError(list(wrongs(file, tree, Profile)) or [f"{file}: {error}"]) from error
    problems = [
        f"{file}: rule {rule.id} names channels or groups, which the catalog's groups do"
        for rule in profile.rule
        if rule.channels or rule.groups
    ]
    if problems:
        raise CatalogError(problems)
    return profile


def expanded(source: Source, profiles: Mapping[str, Profile]) -> Source:
    """The source with the rules of its groups' profiles; a profile that is not there adds none."""
    if not any(group.profile for group in source.group):
        return source
    quantities = _quantities(source)
    rules = [*source.rule]
    for name in dict.fromkeys(group.profile for group in source.group):
        profile = profiles.get(name)
        groups = [group for group in source.group if group.profile == name]
        if profile is not None:
            rules += spread(profile, source.lifeline.name, groups, quantities)
    return msgspec.structs.replace(source, rule=tuple(rules))


def unknown(sources: Iterable[Source], profiles: Mapping[str, Profile]) -> list[str]:
    """A sentence for each group whose profile is not there."""
    told: list[str] = []
    for source in sources:
        for group in source.group:
            if group.profile and group.profile not in profiles:
                have = ", ".join(sorted(profiles)) or "none"
                told.append(
                    f"{source.place}: group {group.name} names the profile {group.profile}, which"
                    f" is none of {have}"
                )
    return told


def _quantities(source: Source) -> dict[str, str]:
    """Every channel of a source by its permanent name, with its quantity."""
    models = {model.name: model.channel for model in source.model}
    return {
        channel_name(channel, entry.asset): channel.quantity
        for entry in source.device
        for channel in (*models.get(entry.model, ()), *entry.channel)
    }


def spread(
    profile: Profile, lifeline: str, groups: Sequence[Group], quantities: Mapping[str, str]
) -> Iterator[Rule]:
    """The profile's rules with what they watch; one that has nothing to watch is left out."""
    for written in profile.rule:
        rule = msgspec.structs.replace(
            written,
            id=f"{lifeline}.{profile.name}.{written.id}",
            far_per_sensor_year=written.far_per_sensor_year or profile.far_per_sensor_year,
        )
        if not rule.quantity:
            yield msgspec.structs.replace(rule, groups=tuple(group.name for group in groups))
            continue
        channels = tuple(
            name
            for group in groups
            for name in group.channels
            if rule.quantity in (EVERY, quantities.get(name))
        )
        if channels:
            yield msgspec.structs.replace(rule, quantity="", channels=channels)
