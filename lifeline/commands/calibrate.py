"""``lifeline calibrate``: what a profile's detectors learn from history, as one file."""

from pathlib import Path
from typing import Annotated

import typer

from lifeline import artefact, store
from lifeline.commands.outcome import Json, fail, print_json, spoken
from lifeline.profiles import Profile


def calibrate(
    profile: Annotated[str, typer.Argument(help="Its name, as the catalog's groups name it.")],
    data: Annotated[
        list[Path],
        typer.Option(
            help="Recordings (.npz), the EPANET file (.inp), or folders of both; may be repeated."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The artefact, beside the profiles: NAME.art.")],
    far: Annotated[
        float, typer.Option(min=0.0, help="False alarms a sensor-year; 0: the profile's own.")
    ] = 0.0,
    sources: Annotated[
        Path, typer.Option(help="Where the lifelines lie; profiles lie beside.")
    ] = Path("deploy/lifelines"),
    as_json: Json = False,
) -> None:
    """Learn from recordings of the past what a profile's detectors need before their stream.

    Writes one file that the catalog's group names (artefact = "NAME.art"), and says how many false
    alarms the profile would have raised on these recordings.  A water network needs its EPANET file
    for locations: pip install 'urban-lifeline[calibrate]'.

    Example:  lifeline calibrate water-network --data history/ --out profiles/hunnan.art
    """
    from calibration import store as history
    from calibration.fit import FitError, fitted

    with spoken():
        found = named_profile(profile, sources)
        recordings = history.recordings(data)
        network = history.surveyed_networks(data, recordings)
        try:
            made = fitted(found, recordings, network, far or found.far_per_sensor_year)
        except FitError as error:
            raise fail(f"{', '.join(map(str, data))}: {error}") from error
        packed = artefact.pack(made)
        store.write_file(out, packed)
    if as_json:
        print_json({"out": str(out), "bytes": len(packed), "facts": made.facts})
        return
    for name, value in made.facts.items():
        typer.echo(f"{name:14} {value}")
    typer.echo(f"{out}: {len(made.arrays)} arrays, {len(packed)} bytes")


def named_profile(name: str, sources: Path) -> Profile:
    """The profile of that name, beside the lifelines or as shipped; the sentence where none is."""
    places = [folder / f"{name}.toml" for folder in store.profile_folders([str(sources)])]
    for place in places:
        if place.is_file():
            return store.read_profile(place)
    raise fail(f"profile {name} is none of {', '.join(str(place.parent) for place in places)}")
