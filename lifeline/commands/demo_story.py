"""What the demo follows, and tells as it comes: truth, findings, accepted pushes, pages."""

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lifeline import db, wire, words
from lifeline.config import Settings
from lifeline.demonstration import Teller
from lifeline.errors import Unavailable
from lifeline.log.service import Reader
from lifeline.model import CANARY, Quality
from simulators.city import DEMO


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The JSON objects among a file's lines, whole documents of several lines included."""
    if not file.exists():
        return []
    text = file.read_text(encoding="utf-8", errors="replace")
    decoder, found, at = json.JSONDecoder(), [], 0
    while (at := text.find("{", at)) >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError:
            end = at + 1
        else:
            found.append(value)
        at = end
    return found


class Story:
    """Follows truth, findings and pushes since ``began_ms``, and tells each as it comes."""

    def __init__(
        self,
        settings: Settings,
        teller: Teller,
        folder: Path,
        *,
        began_ms: int,
        posts: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self.teller = teller
        self.began_ms = began_ms
        self.posts = posts or {}
        """Whose number it is, by number."""
        self.on_push: Callable[[dict[str, Any]], None] | None = None
        """Hears of each incident that the platform was told of."""
        self.up_s = time.monotonic()
        self.first_finding_s: float | None = None
        self.first_push_s: float | None = None
        self._spool = folder / "spool.db"
        """Appears when the first reading is kept for sending."""
        self._is_publishing = False
        self._truth = _Tail(folder / "truth.jsonl", from_end=False)
        self._pushes = _Tail(folder / "pushes.jsonl", from_end=True)
        self._expected: dict[tuple[str, str], dict[str, Any]] = {}
        self._found: dict[tuple[str, str], float] = {}
        self._pushed: dict[tuple[str, str], float] = {}

    def since_s(self) -> float:
        """Seconds since the servers were up: the story's own time."""
        return round(time.monotonic() - self.up_s, 2)

    def _now(self) -> str:
        return f"{self.since_s():6.1f}"

    def look(self) -> None:
        """Reads what truth and the platform have written since the last look, and tells it."""
        if not self._is_publishing and self._spool.exists():
            self._is_publishing = True
            self.teller.tell("sensors", at=self._now())
        for truth in self._truth.lines():
            key = (truth["asset"], truth["hazard"])
            self._expected[key] = truth
            hazard = words.hazard(truth["hazard"], self.teller.language)
            self.teller.tell("truth", at=self._now(), hazard=hazard, asset=truth["asset"])
        for push in self._pushes.lines():
            if push["verdict"] != "accepted" or not push["body"].startswith("{"):
                continue  # Refused, an answer of the platform's, or a document in CAP.
            body = json.loads(push["body"])
            if push["path"] == "/messages":
                self._page(body)
            elif "schema" in body and body["schema"].startswith("silence"):
                self.teller.tell("silence", at=self._now(), text=body[self.teller.language])
            elif body.get("lifeline") != CANARY and body["kind"] != "end":
                self._push(body)

    def _page(self, body: dict[str, Any]) -> None:
        """Somebody was called: who it is, by which way, and what he was told."""
        who = "、".join(self.posts.get(number, number) for number in body["to"])
        text = " ".join(body["text"].split())
        way = self.teller.said(f"way-{body['kind']}")
        self.teller.tell("page", at=self._now(), way=way, who=who, text=text)

    def _is_old(self, onset_ms: int) -> bool:
        """Whether it began before this demo did: an earlier one's story."""
        return onset_ms < self.began_ms

    def _push(self, body: dict[str, Any]) -> None:
        if body["reason"] == "located" and not self._is_old(body["onset_ms"]):
            text = body["explanation"]["text"][self.teller.language]
            self.teller.tell("located", at=self._now(), text=text)
        if body["reason"] not in ("opened", "reopened", "worsened") or self._is_old(
            body["onset_ms"]
        ):
            return
        now_s = round(time.monotonic() - self.up_s, 2)
        self.first_push_s = self.first_push_s or now_s
        self._pushed.setdefault((body["asset"]["name"], body["hazard"]), now_s)
        headline = body["headline"][self.teller.language]
        self.teller.tell("push", at=self._now(), headline=headline, link=body["link"])
        if self.on_push is not None:
            self.on_push(body)

    async def follow_findings(self) -> None:
        """Tells every finding as it appears on Kafka; gives up quietly when Kafka goes away."""
        reader = Reader(self.settings.kafka, "lifeline-demo")
        with contextlib.suppress(Unavailable):
            async for record in reader.follow(wire.FINDINGS, from_start=False):
                self._finding(record.value)

    def _finding(self, payload: bytes) -> None:
        finding = wire.decode_finding(payload)
        if finding.phase != "raised" or finding.lifeline == CANARY:
            return
        if self._is_old(finding.onset_ms):
            return
        now_s = round(time.monotonic() - self.up_s, 2)
        self.first_finding_s = self.first_finding_s or now_s
        self._found.setdefault((finding.asset, finding.hazard), now_s)
        text = words.explain(finding, self.teller.language)
        self.teller.tell("finding", at=self._now(), text=text)

    def is_complete(self) -> bool:
        """Whether every scenario of the simulator has begun and has its accepted push."""
        return len(self._expected) == len(DEMO) and set(self._expected) <= set(self._pushed)

    def outcomes(self) -> list[dict[str, Any]]:
        """For every scenario that began: seconds from its onset until found, and until pushed."""
        offset_s = self.began_ms / 1000 - self.up_s  # from our own clock to the wall's
        told = []
        for (asset, hazard), truth in self._expected.items():
            onset_s = truth["onset_ms"] / 1000
            pushed, found = self._pushed.get((asset, hazard)), self._found.get((asset, hazard))
            told.append(
                {
                    "lifeline": truth["lifeline"],
                    "asset": asset,
                    "hazard": hazard,
                    "found_after_s": _after(found, self.up_s, offset_s, onset_s),
                    "pushed_after_s": _after(pushed, self.up_s, offset_s, onset_s),
                }
            )
        return told

    def stored(self) -> int:
        """Readings of the city's sensors stored since the demo began, without derived ones."""
        with db.connect(self.settings.postgres) as connection:
            row = connection.execute(
                "select count(*) from reading r join channel c on c.id = r.channel"
                " where r.time >= to_timestamp(%s / 1000.0) and c.lifeline <> %s"
                " and c.name not like 'device/%%' and r.quality & %s = 0",
                (self.began_ms, CANARY, int(Quality.DERIVED)),
            ).fetchone()
        assert row is not None
        return int(row[0])

    def incidents(self) -> int:
        """Incidents of the city that were touched since the demo began, without the canaries'."""
        with db.connect(self.settings.postgres) as connection:
            row = connection.execute(
                "select count(*) from incident where lifeline <> %s and updated_ms >= %s",
                (CANARY, self.began_ms),
            ).fetchone()
        assert row is not None
        return int(row[0])


def _after(at_s: float | None, up_s: float, offset_s: float, onset_s: float) -> float | None:
    return None if at_s is None else round(at_s + up_s + offset_s - onset_s, 2)


class _Tail:
    """Whole JSON lines that were appended to a file since the last call."""

    def __init__(self, file: Path, *, from_end: bool) -> None:
        self._file = file
        self._at = file.stat().st_size if from_end and file.exists() else 0

    def lines(self) -> list[dict[str, Any]]:
        """What is new; half a line waits for its other half."""
        try:
            with self._file.open("rb") as source:
                source.seek(self._at)
                data = source.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._at += len(whole)
        return [json.loads(line) for line in whole.splitlines() if line.strip()]
