"""What a target is given of the outbox's rows: our bytes as they are, or a card.  Pure."""

import hashlib
from dataclasses import dataclass

from alerting import cards
from alerting.outbox.messages import Leased, Message
from lifeline import layouts
from lifeline.cards import Card
from lifeline.grades import Grading
from lifeline.targets import MACHINES, Target
from lifeline.wire import Malformed
from lifeline.words import Language


@dataclass(slots=True)
class Contents:
    """How messages are put: where the desk is, the city's time, and its grades."""

    public_url: str
    zone: str
    grades: Grading

    def of(self, target: Target, message: Message) -> tuple[str, bytes]:
        """The key and the bytes of a message for its target."""
        rows = message.rows
        if target.kind in MACHINES:
            assert len(rows) == 1, "machines are given notices one by one"
            return rows[0].key, rows[0].body
        told = [self._card(target, row) for row in rows]
        if len({row.incident or row.key for row in rows}) == 1:
            # To several people of one group: the newest says it for all.
            newest = max(rows, key=lambda row: row.id)
            card = told[rows.index(newest)]
            return newest.key, layouts.payload(target, card, newest.address)
        # Words that were refused once are not tried again: the counts say what matters.
        is_bare = any(row.refusals for row in rows)
        card = cards.bundle(told, self.public_url, is_bare=is_bare)
        key = hashlib.sha256("\n".join(sorted(row.key for row in rows)).encode()).hexdigest()
        return key, layouts.payload(target, card, rows[0].address)

    def _card(self, target: Target, row: Leased) -> Card:
        language: Language = "en" if (row.language or target.language) == "en" else "zh"
        try:
            return cards.read(row.body, language, self.zone, self.grades, is_page=row.is_page)
        except Malformed:
            return cards.of_unreadable(
                row.grade, row.incident, language, self.public_url, self.grades
            )
