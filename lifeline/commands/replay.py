"""``lifeline replay``: a recorded trace through the pure pipeline, in virtual time."""

import hashlib
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from alerting.book import store as book
from lifeline import store, wire
from lifeline.commands.catalog import rules_of
from lifeline.commands.outcome import Config, Json, fail, print_json, settings_from, spoken


def replay(
    trace: Annotated[
        Path, typer.Argument(help='JSONL: {"ms":…,"topic":…,"payload":base64} a line.')
    ],
    config: Config = None,
    idle: Annotated[
        float, typer.Option(help="Let the clock run on so many seconds at the end.")
    ] = 0.0,
    as_json: Json = False,
) -> None:
    """Say what these messages come to: every finding and incident, the same at every run.

    Sends nothing, stores nothing; the digest at the end names the result.

    Example:  lifeline replay trace.jsonl --json
    """
    from lifeline.replay import read_messages
    from lifeline.replay import replay as run

    settings = settings_from(config)
    with spoken():
        catalog = store.open_catalog(settings.catalog.compiled)
        rules = rules_of(catalog, settings)
        policy = book.policy(settings, catalog, book.read_rules(settings.router))
        with trace.open(encoding="utf-8") as lines:
            try:
                outcome = run(read_messages(lines), catalog, rules, settings, idle, policy)
            except ValueError as error:
                raise fail(f"{trace}: {error}") from error
    incidents = sorted(outcome.incidents.values(), key=lambda i: (i.onset_ms, i.id))
    body = b"".join(wire.encode_finding(finding) for finding in outcome.findings)
    body += msgspec.json.encode(incidents)
    digest = hashlib.sha256(body).hexdigest()
    if as_json:
        print_json(
            {
                "messages": outcome.messages,
                "readings": outcome.readings,
                "rejects": len(outcome.rejects),
                "findings": outcome.findings,
                "incidents": incidents,
                "digest": digest,
            }
        )
        return
    for finding in outcome.findings:
        typer.echo(f"{finding.at_ms}  {finding.phase:8} {finding.rule:28} {finding.channel}")
    for incident in incidents:
        typer.echo(
            f"{incident.onset_ms}  INCIDENT {incident.hazard:28} {incident.asset}"
            f" ({incident.phase})"
        )
    for why in outcome.failed:
        typer.echo(f"a detector failed: {why}", err=True)
    typer.echo(
        f"{outcome.messages} messages, {outcome.readings} readings, {len(outcome.rejects)} rejects,"
        f" {len(outcome.findings)} findings, {len(incidents)} incidents; digest {digest[:16]}"
    )
