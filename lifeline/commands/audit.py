"""``lifeline audit``: whether what was done is still what it was, and one incident's lines."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from alerting.audit import service, store, words
from alerting.audit.anchors import stamp
from lifeline.commands.outcome import (
    Config,
    Json,
    connected,
    fail,
    print_json,
    settings_from,
    spoken,
)

app = typer.Typer(
    no_args_is_help=True,
    help="The audit: whether it is what it was, and its lines.  Example:  lifeline audit verify",
)
Anchors = Annotated[
    list[str] | None,
    typer.Option("--anchor", help="A file of anchors, or of syslog; else audit.anchor_file."),
]
SHOWN_MAX = 100


@app.command()
def verify(anchor: Anchors = None, config: Config = None, as_json: Json = False) -> None:
    """Look at every line, chain and seal, and compare with what was written down outside.

    Ends with 1 and a sentence on everything that is not as it was.  Give the anchors of another
    machine, or syslog's file: who changed the database may have changed a file beside it.

    Example:  lifeline audit verify --anchor /mnt/loghost/lifeline.log
    """
    settings = settings_from(config)
    own = settings.audit.anchor_file
    paths = tuple(anchor or ([own] if own and Path(own).exists() else []))
    with spoken():
        anchors, bad = service.read(paths)
    with connected(settings) as database:
        proof = database.run_now(lambda c: store.verified(c, anchors))
    is_whole = not (proof.problems or bad)
    if as_json:
        told = [
            {**msgspec.to_builtins(one), "zh": words.sentence(one, "zh"),
             "en": words.sentence(one, "en")}
            for one in proof.problems
        ]  # fmt: skip
        facts = msgspec.to_builtins(proof)
        print_json({**facts, "is_whole": is_whole, "problems": told, "anchor_files": bad})
    else:
        for sentence in bad:
            typer.echo(sentence, err=True)
        for one in proof.problems[:SHOWN_MAX]:
            typer.echo(f"{words.sentence(one, 'zh')} / {words.sentence(one, 'en')}", err=True)
        if len(proof.problems) > SHOWN_MAX:
            typer.echo(f"… {len(proof.problems) - SHOWN_MAX}", err=True)
        typer.echo(f"{words.summary(proof, 'zh')} / {words.summary(proof, 'en')}")
    if not is_whole:
        raise typer.Exit(1)


@app.command()
def show(
    incident: Annotated[str, typer.Argument(help="An incident, or a chain such as house.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show a chain: who did what, when, and the seal that covers each line.

    Example:  lifeline audit show 1a439d32-bf11-51ae-8571-d1c013753264
    """
    with connected(settings_from(config)) as database:
        entries = database.run_now(lambda c: store.entries_of(c, incident))
        seals = database.run_now(lambda c: store.seals_of(c, incident))
    if not entries:
        raise fail(f"no line of {incident}: is it an incident's id?", 1)
    rows = []
    for entry in entries:
        covers = [seal for number, seal in seals.items() if number >= entry.number]
        rows.append((entry, min(covers, default=0)))
    if as_json:
        print_json(
            [
                {**msgspec.to_builtins(entry), "hash": entry.hash.hex(), "seal": seal}
                for entry, seal in rows
            ]
        )
        return
    for entry, seal in rows:
        line = entry.line
        who = f"{line.actor}+{line.second}" if line.second else line.actor
        typer.echo(
            f"{entry.number:4} {stamp(line.at_ms * 1000)[:19]}Z {who:16} {line.action:12}"
            f" {line.reason:20} seal {seal or '-':<6} {entry.hash.hex()[:12]}  {line.note}"
        )
