"""Records as they stand on another data set than the one that was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from results.errors import RecordError
from results.records.schema import Record


def on_dataset(record: Record, dataset: str) -> Record | None:
    """Return the record with what was measured on another data set in place of its own.

    Its `dataset` names both, since it was trained on the first. What is only measured on the data
    set of the training (the bias, the worst case by budget) is left out.

    Args:
        record: A record.
        dataset: Name of a data set.

    Returns:
        None where the record was not tested on it.
    """
    found = next((one for one in record.cross_dataset if one.dataset == dataset), None)
    if found is None:
        return None
    return record.model_copy(
        update={
            "dataset": f"{record.dataset} → {dataset}",
            "clean": found.clean,
            "attacks": found.attacks,
            "worst_case": found.worst_case,
            "worst_seen": None,
            "worst_unseen": None,
            "worst_by_eps": [],
            "cross_dataset": [],
            "bias": None,
            "per_query": found.per_query,
        }
    )


def records_on_dataset(
    files: Sequence[tuple[Path, Record]], dataset: str
) -> list[tuple[Path, Record]]:
    """Return the records that were tested on a data set, as they stand there, with their files.

    Raises:
        RecordError: None was.
    """
    views = [(path, view) for path, one in files if (view := on_dataset(one, dataset)) is not None]
    if views:
        return views
    known = sorted({one.dataset for _, record in files for one in record.cross_dataset})
    raise RecordError(
        f"no record was tested on {dataset!r}",
        f"choose among {', '.join(known)}" if known else "run with --test-dataset",
    )
