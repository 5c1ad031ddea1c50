"""Whether a defense says what it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from results.records.printable import printable
from results.records.schema import Record
from results.submission.problem import Problem

ASKED = {
    "title": "its name in the field's words",
    "paper": "authors, venue, identifier; of your own, say so",
    "claims": "what its authors claim, in one sentence",
    "licence": "the licence of this implementation",
}
"""What a card must hold, and what is meant by it."""


def card_problems(records: Sequence[Record]) -> Iterator[Problem]:
    """Yield what is missing on the cards of defenses; `none` has nothing to claim."""
    cards = {one.defense.name: one.defense.card for one in records}
    for name, card in cards.items():
        for key, meaning in ASKED.items():
            if not str(card.get(key) or "").strip() and (name, key) != ("none", "claims"):
                yield Problem(
                    f"the card of {printable(name)} has no {key}",
                    f"write {key} ({meaning}) on the card of the plugin, and run again: what is "
                    "computed is kept",
                )
