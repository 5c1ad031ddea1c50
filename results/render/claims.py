"""Published numbers beside a board: claimed by others, apart from what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from results.board.columns import TableCell
from results.claims.load import Claim
from results.trust.statement import trust_of_claim

TITLE = "Claimed, not measured here"
NOTE = (
    "Published for this data set and these networks, mAP / R1 in percent. Attacks, training and "
    "scoring may differ in more than is known: never to be ranked with the numbers above."
)
_MISSING = "–"

Columns = list[tuple[str, list[TableCell]]]


def claims_columns(claims: Sequence[Claim]) -> tuple[list[str], Columns]:
    """Return the methods, and the other columns of their table."""
    numbers = [TableCell(claim_text(one)) for one in claims]
    origins = [TableCell(one.origin) for one in claims]
    return [one.method for one in claims], [("Claimed", numbers), ("By", origins)]


def claims_notes(claims: Sequence[Claim]) -> list[str]:
    """Return what may not be concluded, and how the numbers of each source came here."""
    return [NOTE, *dict.fromkeys(trust_of_claim(one).remark for one in claims)]


def claim_text(claim: Claim) -> str:
    """Return the numbers of a claim in one line: ``clean 68.5 / 88.21, fna@8 31.99 / 55.17``."""
    pairs = claim.numbers.items()
    return ", ".join(f"{key} {plain(mean)} / {plain(rank1)}" for key, (mean, rank1) in pairs)


def plain(value: float | None) -> str:
    """Return a number with the digits that were published."""
    return _MISSING if value is None else f"{value:g}"
