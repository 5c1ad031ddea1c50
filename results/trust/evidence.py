"""Check statements against the records that they name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from results.board.record_metrics import clean_map, worst_map
from results.errors import RecordError
from results.records.schema import Record
from results.records.store import load_record
from results.statistics.bootstrap import mean_std
from results.trust.schema import Statement

_SAME: dict[str, Callable[[Record], object]] = {
    "data set": lambda one: one.dataset,
    "protocol fingerprint (data, attacks, budgets, scoring)": lambda one: one.protocol.fingerprint,
    "image size": lambda one: one.image_size,
    "backbone": lambda one: one.backbone,
    "defense": lambda one: one.defense.name,
    "options of the defense": lambda one: one.defense.config,
    "epochs": lambda one: one.training.epochs,
    "training recipe": lambda one: one.training.recipe,
}
"""What a reproduction shares with what it reproduces. Its behaviour may differ: code of one's own
that comes to the same figures says more than the same code."""


def check_statements(statements: Iterable[Statement], published: Path) -> None:
    """Check that what statements say holds of the records.

    Args:
        statements: What was stated.
        published: Folder of the records, in sub-folders.

    Raises:
        RecordError: A record that is named does not exist, or a reproduction is none: it followed
            another protocol, trained something else, differs by more than was stated, or is a
            copy.
    """
    for one in statements:
        paths = [published / path for path in one.evidence]
        evidence = [load_record(path) for path in paths]
        originals = [_record(record, published, paths) for record in one.records]
        if one.level == "reproduced":
            _check_reproduction(one, originals, evidence)


def _record(id_: str, published: Path, besides: Sequence[Path]) -> Record:
    for path in sorted({*published.rglob(f"*--{id_[:8]}.json")} - {*besides}):
        record = load_record(path)
        if record.id == id_:
            return record
    raise RecordError(
        f"a statement is about record {id_}, which is not in {published}",
        "name the id that is in the record's file",
    )


def _check_reproduction(
    statement: Statement, originals: Sequence[Record], evidence: Sequence[Record]
) -> None:
    first = originals[0]
    for one in (*originals[1:], *evidence):
        other = next((what for what, read in _SAME.items() if read(one) != read(first)), None)
        if other is not None:
            raise RecordError(
                f"record {one.id[:8]} does not reproduce {first.id[:8]}: other {other}",
                "state only what followed the same protocol with the same options",
            )
    known = [_measured(one) for one in originals]
    for one in evidence:
        if _measured(one) in known:
            raise RecordError(
                f"the evidence {one.id[:8]} is a copy of the record that it reproduces",
                "give the records of the second run",
            )
    for what, read in (("clean", clean_map), ("worst-case", worst_map)):
        ours, theirs = (_mean(part, read) for part in (originals, evidence))
        if ours is None or theirs is None:
            raise RecordError(f"{first.id[:8]} or its evidence has no {what} mAP", "attack both")
        if abs(ours - theirs) > (statement.within or 0):
            raise RecordError(
                f"the reproduction of {first.id[:8]} has a {what} mAP {abs(ours - theirs):.2f} "
                f"points away, more than the stated {statement.within:g}",
                "it is no reproduction within that spread: say what was found in another way",
            )


def _measured(record: Record) -> dict[str, object]:
    """Return what tells a second run from a copy: it takes other times elsewhere."""
    return record.model_dump(exclude={"per_query", "label"})


def _mean(records: Sequence[Record], read: Callable[[Record], float | None]) -> float | None:
    values = [read(record) for record in records]
    found = [value for value in values if value is not None]
    return mean_std(found)[0] if len(found) == len(values) else None
