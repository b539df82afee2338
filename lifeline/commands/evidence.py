"""``lifeline evidence``: everything about an incident as one file, and whether a file is whole."""

import getpass
from pathlib import Path
from typing import Annotated

import typer

from alerting.audit import service as audit
from alerting.evidence import check, service
from lifeline.commands.outcome import (
    Config,
    Json,
    connected,
    fail,
    print_json,
    settings_from,
    spoken,
)
from lifeline.store import open_catalog, write_file

app = typer.Typer(
    no_args_is_help=True,
    help="Evidence packages: make one, check one.  Example:  lifeline evidence make INCIDENT",
)


@app.command()
def make(
    incident: Annotated[str, typer.Argument(help="The incident's id.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="The file to write.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Put everything about an incident into one file that proves itself.

    Its SHA-256 is printed, and written down in the incident's audit.

    Example:  lifeline evidence make 1a439d32-bf11-51ae-8571-d1c013753264 -o case.zip
    """
    settings = settings_from(config)
    target = out or Path(f"evidence-{incident}.zip")
    with connected(settings) as database:
        catalog = open_catalog(settings.catalog.compiled)
        made = service.produce(
            database, settings, catalog, incident, actor=getpass.getuser(), channel="command"
        )
        if made is None:
            raise fail(f"{incident} is no incident: see `lifeline incident list`.", 1)
        package, digest = made
        write_file(target, package)
    if as_json:
        print_json({"sha256": digest, "file": str(target)})
        return
    typer.echo(f"{digest}  {target}")


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="An evidence package.")],
    anchor: Annotated[
        list[str] | None, typer.Option("--anchor", help="A file of anchors, or of syslog.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a package: each file, the manifest, and the audit inside against its seal.

    Needs no database.  Ends with 1 and a sentence on everything that is not as it was made.

    Example:  lifeline evidence verify case.zip --anchor /mnt/loghost/lifeline.log
    """
    with spoken():
        anchors, bad = audit.read(tuple(anchor or ()))
        found = check.check(file.read_bytes(), anchors)
    flaws = [
        {"code": flaw.audit.code if flaw.audit else flaw.code, "zh": check.sentence(flaw, "zh"),
         "en": check.sentence(flaw, "en")}
        for flaw in found.flaws
    ]  # fmt: skip
    is_whole = not (flaws or bad)
    if as_json:
        print_json(
            {"is_whole": is_whole, "flaws": flaws, "manifest": found.manifest,
             "unsealed": found.unsealed, "anchors": found.anchors, "proven": found.proven,
             "anchor_files": bad}
        )  # fmt: skip
    else:
        for sentence in (*bad, *(f"{flaw['zh']} / {flaw['en']}" for flaw in flaws)):
            typer.echo(sentence, err=True)
        if found.manifest is not None:
            typer.echo(
                f"incident {found.manifest.incident}: {len(found.manifest.files)} files,"
                f" {found.manifest.lines} audit lines ({found.unsealed} not sealed),"
                f" {found.manifest.readings} readings; {found.anchors} anchors of its seals given,"
                f" which prove {found.proven} of the lines"
            )
    if not is_whole:
        raise typer.Exit(1)
