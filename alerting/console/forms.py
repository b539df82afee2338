"""Where each form of the desk leads: it is done once, on what was seen, and shown again.  Pure."""

import hashlib
from typing import Any

from alerting.actions import Act, Action
from alerting.console import pages, queue, refusals
from alerting.console.doors import shift, windows
from alerting.console.doors.acting import UNSEEN
from alerting.console.doors.proof import ZIP, send_again
from alerting.console.gate import Handler
from alerting.console.records import Records
from alerting.console.visit import Answer, Problem, Visit, redirect
from alerting.incidents import VERDICT_CODES
from alerting.people.handover import ItemKey, ItemKind
from alerting.windows import OPENED
from lifeline import words

ALARMS_MAX = 200
MINUTES_DIGITS = 5
ITEM_KINDS: tuple[ItemKind, ...] = ("incident", "shelved")


def incident(action: Action) -> Handler:
    """The handler of an incident's form."""

    def handler(records: Records, visit: Visit) -> Answer:
        row = pages.load(records, visit)
        form = visit.call.form
        note = pages.checked_note(action, form.get("note", ""))
        seen = form.get("revision", "")
        if action == "support" and _is_twice(records, visit, seen):
            return redirect(f"/incidents/{row.summary.id}")
        # A note is welcome whatever has happened meanwhile; a decision holds for what was seen.
        expected = None if action in UNSEEN else _revision(seen)
        wanted = _act(
            visit,
            action,
            incident=row.summary.id,
            note=note,
            expected_revision=expected,
            **_more(visit, action),
        )
        code = _perform(records, visit, wanted)
        kept = queue.back(visit) | ({"asked": "1"} if code == "proposed" else {})
        return redirect(queue.address(kept, f"/incidents/{row.summary.id}"))

    return handler


def _is_twice(records: Records, visit: Visit, seen: str) -> bool:
    """Whether the same form came before: a call for help is pressed more than once."""
    assert visit.session is not None
    told = f"{visit.call.path} {_revision(seen)}"
    digest = hashlib.sha256(told.encode()).digest()
    return records.recall(visit.session.name, f"form {digest.hex()}", digest) is not None


def _more(visit: Visit, action: Action) -> dict[str, Any]:
    """What an action needs besides a note."""
    form = visit.call.form
    match action:
        case "verify" | "close":
            verdict, _, code = form.get("judgement", "").partition(":")
            if verdict and verdict not in VERDICT_CODES:
                raise Problem(400)
            is_override = action == "close" and form.get("override", "") == "yes"
            return {"verdict": verdict, "code": code[:64], "override": is_override}
        case "dispatch":
            return {
                "task": form.get("task", "").strip()[: pages.NOTE_MAX],
                "person": form.get("person", "").strip()[:128],
            }
        case "merge":
            return {"other": form.get("other", "")[:128]}
        case "split":
            chosen = [v[:600] for k, v in form.items() if k.startswith("alarm-")]
            return {"alarms": tuple(chosen[:ALARMS_MAX])}
        case _:
            return {}


def _revision(given: str) -> int:
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        raise Problem(400)
    return int(given)


def _act(visit: Visit, action: Action, **more: Any) -> Act:
    assert visit.session is not None
    return Act(action=action, actor=visit.session.name, seat=visit.seat, **more)


def _perform(records: Records, visit: Visit, wanted: Act) -> str:
    """Carries it out; raises Problem with the sentence why not, and the note that was written."""
    (outcome,) = records.board.act((wanted,), visit.pulse.now_ms)
    if not outcome.is_done:
        raise refusals.problem(visit, outcome, wanted.note)
    return outcome.code


def stop_own(records: Records, visit: Visit) -> Answer:
    """POST /incidents/{id}/stop-own."""
    row = pages.load(records, visit)
    records.crew.stop_own(row.summary.id, pages.person_of(visit), "console")
    return redirect(f"/incidents/{row.summary.id}")


def call_in(records: Records, visit: Visit) -> Answer:
    """POST /incidents/{id}/call."""
    assert visit.session is not None
    row = pages.load(records, visit)
    person = visit.call.form.get("person", "")[:64]
    who, now_ms = visit.session.name, visit.pulse.now_ms
    if records.crew.call_in(row.summary.id, person, who, now_ms, "console") is None:
        raise Problem(400)
    return redirect(f"/incidents/{row.summary.id}")


def evidence(records: Records, visit: Visit) -> Answer:
    """POST /incidents/{id}/evidence: the shell makes the package."""
    assert visit.session is not None
    name, who = pages.load(records, visit).summary.id, visit.session.name
    saved = f'attachment; filename="evidence-{name}.zip"'
    return Answer(200, b"", ZIP, (("Content-Disposition", saved),), package=name, by=who)


def alarm(action: Action) -> Handler:
    """The handler of an alarm's form; it leads back to where it stood."""

    def handler(records: Records, visit: Visit) -> Answer:
        form = visit.call.form
        known = records.board.alarm(form.get("alarm", "")[:600])
        if known is None:
            why = words.refusal("unknown-alarm", visit.language)
            raise Problem(404, "problem.gone", why=why)
        if _revision(form.get("revision", "")) != known.revision:
            raise Problem(409, "problem.409.changed", form.get("note", "")[: pages.NOTE_MAX])
        note = pages.checked_note(action, form.get("note", ""))
        more: dict[str, Any] = {}
        if action == "shelve":
            more["until_ms"] = visit.pulse.now_ms + _minutes(form.get("minutes", "")) * 60_000
        wanted = _act(visit, action, alarm=known.key, incident=known.incident, note=note, **more)
        code = _perform(records, visit, wanted)
        asked = "?asked=1" if code == "proposed" else ""
        is_listed = form.get("from", "") == "alarms" or not known.incident
        return redirect(f"/alarms{asked}" if is_listed else f"/incidents/{known.incident}{asked}")

    return handler


def _minutes(given: str) -> int:
    text = given.strip()
    if not (text.isascii() and text.isdigit() and 0 < len(text) <= MINUTES_DIGITS and int(text)):
        raise Problem(400, "problem.number")
    return int(text)


def open_window(records: Records, visit: Visit) -> Answer:
    """POST /windows."""
    form = visit.call.form
    minutes = _minutes(form.get("minutes", ""))
    kind = form.get("kind", "")
    if kind not in OPENED:
        raise Problem(400)
    note = pages.checked_note("close", form.get("note", ""))
    assets = form.get("assets", "").replace("，", ",").split(",")
    body = windows.OpenBody(
        kind=kind,
        zone=form.get("zone", "")[:128],
        reason=note,
        minutes=min(minutes, windows.MINUTES_MAX),
        assets=tuple(name for one in assets if (name := one.strip()[:128]))[: windows.LIST_MAX],
        work=form.get("work", "").strip()[:128],
    )
    wanted = _act(visit, "open-window", note=note, opening=windows.opening(visit, body))
    code = _perform(records, visit, wanted)
    return redirect("/windows?asked=1" if code == "proposed" else "/windows")


def window(action: Action) -> Handler:
    """The handler of a window's form: a check ticked, or its end."""

    def handler(records: Records, visit: Visit) -> Answer:
        form = visit.call.form
        name = visit.call.params["id"][:128]
        note = pages.checked_note(action, form.get("note", ""))
        wanted = _act(visit, action, window=name, note=note, check=form.get("check", "")[:128])
        _perform(records, visit, wanted)
        return redirect("/work" if form.get("from", "") == "work" else "/windows")

    return handler


def approve(records: Records, visit: Visit) -> Answer:
    """POST /proposals/{id}/approve."""
    note = pages.checked_note("approve", visit.call.form.get("note", ""))
    wanted = _act(visit, "approve", proposal=visit.call.params["id"][:128], note=note)
    _perform(records, visit, wanted)
    return redirect("/proposals")


def resend(records: Records, visit: Visit) -> Answer:
    """POST /letters/{id}/resend."""
    send_again(records, visit)
    return redirect("/letters")


def begin_handover(records: Records, visit: Visit) -> Answer:
    """POST /handovers."""
    form = visit.call.form
    incoming = form.get("incoming", "").strip()[:64]
    made = shift.begun(records, visit, form.get("desk", "")[:64], incoming, form.get("notes", ""))
    return redirect(f"/handovers/{made.id}")


def handover(action: str) -> Handler:
    """The handler of a form of the sheet: accept items, keep notes, sign."""

    def handler(records: Records, visit: Visit) -> Answer:
        assert visit.session is not None
        shift.roster_of(visit)
        name, who = visit.call.params["id"][:128], visit.session.name
        now_ms, crew = visit.pulse.now_ms, records.crew
        match action:
            case "accept":
                done = crew.accept(name, who, _items(visit), now_ms)
            case "notes":
                done = crew.annotate(name, who, visit.call.form.get("notes", ""))
            case _:
                done = crew.sign(name, who, now_ms)
        return redirect(f"/handovers/{shift.done(visit, done).id}")

    return handler


def _items(visit: Visit) -> tuple[ItemKey, ...]:
    items: list[ItemKey] = []
    for key, value in visit.call.form.items():
        if key.startswith("item-"):
            given, _, subject = value.partition(":")
            items += [(kind, subject) for kind in ITEM_KINDS if kind == given]
    if not items:
        raise Problem(400, "queue.none-chosen")
    return tuple(items)
