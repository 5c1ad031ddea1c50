"""Check one record by itself: its names, its budgets, and what its worst case is over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from results.records.other_dataset import on_dataset
from results.records.printable import printable
from results.records.retrieval import ADDITIVE
from results.records.schema import Record
from results.records.store import record_name
from results.submission.outcome_checks import outcome_problems
from results.submission.problem import Problem
from results.submission.worst_case_checks import worst_problems

BUDGET_TOLERANCE_255 = 1e-3
"""Of a distance between images in float32."""
_TAG = re.compile("<[A-Za-z/!?]")
_FORMULA = ("=", "+", "-", "@")


def record_problems(path: Path, record: Record) -> Iterator[Problem]:
    """Yield what is wrong with a record, by itself and with its per-query files.

    Args:
        path: Where it lies.
        record: The record.
    """
    yield from _names(path, record)
    views = [record, *(on_dataset(record, one.dataset) for one in record.cross_dataset)]
    for view in filter(None, views):
        yield from _budgets(view)
        yield from outcome_problems(path, view)


def _names(path: Path, record: Record) -> Iterator[Problem]:
    wanted = f"{record_name(record)}.json"
    if path.name != wanted:
        yield Problem(
            f"the file name does not fit what it holds, {printable(wanted)}",
            "give it the name that the run gave it",
            grade="warning",
        )
    names = {
        "label": record.label or "",
        "defense": record.defense.name,
        "dataset": record.dataset,
        "backbone": record.backbone,
        **{f"attacks.{place}.name": one.name for place, one in enumerate(record.attacks)},
        **{f"card.{key}": str(text) for key, text in record.defense.card.items()},
    }
    for where, text in names.items():
        if _TAG.search(text):
            yield Problem(f"{where} holds markup: {printable(text)}", "write plain text")
        if text.startswith(_FORMULA) and not where.startswith("card."):
            yield Problem(
                f"{where} starts like a formula of a spreadsheet: {printable(text)}",
                "start it with a letter or a digit",
            )


def _budgets(record: Record) -> Iterator[Problem]:
    for one in record.attacks:
        where = f"{record.dataset}: {one.key}"
        if not one.quantised:
            yield Problem(
                f"{where} was not measured on images of 8 bits", "measure what can be stored"
            )
        if one.norm != ADDITIVE or one.eps is None:
            continue
        if one.max_distance_255 is None:
            yield Problem(
                f"{where} keeps no max_distance_255, so that its budget cannot be checked",
                "run it again with this version",
                grade="warning",
            )
        elif one.max_distance_255 > one.eps + BUDGET_TOLERANCE_255:
            yield Problem(
                f"{where} changed a pixel by {one.max_distance_255:g}/255, more than its "
                f"{one.eps:g}/255",
                "mend the attack and run it again",
            )
    yield from worst_problems(record)
