"""Check one record by itself: its names, its budgets, and its figures against its queries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from results.errors import RecordError
from results.records.other_dataset import on_dataset
from results.records.printable import printable
from results.records.retrieval import ADDITIVE, AttackResult, RecordPart
from results.records.schema import Record
from results.records.store import PerQuery, load_per_query, per_query_path, record_name
from results.submission import outcome_figures as again
from results.submission.problem import Problem

TOLERANCE = 1e-6
"""Of percentages computed on another machine."""
BUDGET_TOLERANCE_255 = 1e-3
"""Of a distance between images in float32."""
_TAG = re.compile("<[A-Za-z/!?]")
_FORMULA = ("=", "+", "-", "@")
_RERUN = "run again: the output folder makes the record and its per-query file anew"


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
        yield from _outcomes(path, view)


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
    yield from _worst_names(record)


def _worst_names(record: Record) -> Iterator[Problem]:
    """Yield what is wrong with the list of attacks that the worst case is taken over."""
    known = {one.key: one for one in record.attacks}
    parts = {"worst_case": record.worst_case}
    parts |= {"worst_seen": record.worst_seen, "worst_unseen": record.worst_unseen}
    for name, worst in parts.items():
        keys = worst.attacks if worst is not None else []
        lost = [printable(key) for key in keys if key not in known]
        if lost or (worst is not None and not keys):
            yield Problem(
                f"{name} is over attacks that the record does not have: {', '.join(lost) or '-'}",
                _RERUN,
            )
        elif any(_stands_apart(known[key]) for key in keys):
            yield Problem(f"{name} counts the control or an attack that is not additive", _RERUN)
        elif len({known[key].eps for key in keys}) > 1:
            yield Problem(f"{name} mixes budgets", _RERUN)


def _stands_apart(attack: AttackResult) -> bool:
    return attack.is_control or attack.norm != ADDITIVE


def _outcomes(path: Path, record: Record) -> Iterator[Problem]:
    if record.per_query is None:
        yield Problem(
            f"{record.dataset}: it names no per-query file, so that no figure can be checked",
            _RERUN,
            "warning",
        )
        return
    try:
        beside = per_query_path(path, record.per_query)
        if beside is None:
            yield Problem(f"the per-query file {record.per_query} is missing", "put it beside it")
            return
        stored = load_per_query(beside)
        found = again.outcomes_of(stored)
    except (RecordError, ValueError, KeyError) as error:
        what = error.what if isinstance(error, RecordError) else printable(str(error))
        yield Problem(f"the per-query file cannot be read: {what}", _RERUN)
        return
    problems = list(_coverage(record, stored, found))
    yield from problems
    if not problems:
        yield from _figures(record, stored, found)


def _coverage(
    record: Record, stored: PerQuery, found: Mapping[str, again.BySeed]
) -> Iterator[Problem]:
    """Yield what a per-query file has too little or too much of."""
    where = f"{record.per_query}"
    wanted = {"clean", *(one.key for one in record.attacks)}
    for key in sorted(wanted - set(found)):
        yield Problem(f"{where} has no outcomes of {printable(key)}", _RERUN)
    for key in sorted(set(found) - wanted):
        yield Problem(f"{where} has outcomes of {printable(key)}, which the record lacks", _RERUN)
    for one in record.attacks:
        seeds = [repeat.attack_seed for repeat in one.by_attack_seed] or [None]
        if one.key in found and list(found[one.key]) != seeds:
            yield Problem(f"{where} has other attack seeds of {one.key} than the record", _RERUN)
    if len(set(stored.queries.tolist())) < len(stored.queries):
        yield Problem(f"{where} names a query twice", _RERUN)
    few = record.protocol.queries
    if few is not None and "→" not in record.dataset and few.chosen != len(stored.queries):
        yield Problem(f"{where} holds {len(stored.queries)} queries, not {few.chosen}", _RERUN)
    if "clean" not in found:
        return
    counts = next(iter(found["clean"].values())).rank > 0
    if not counts.any():
        yield Problem(f"{where} has no query with a match", _RERUN)
    for key, seeds_of in found.items():
        for one in seeds_of.values():
            if not np.array_equal(one.rank > 0, counts) or not np.array_equal(
                ~np.isnan(one.ap), counts
            ):
                yield Problem(f"{where}: {printable(key)} counts other queries than clean", _RERUN)
                break


def _figures(
    record: Record, stored: PerQuery, found: Mapping[str, again.BySeed]
) -> Iterator[Problem]:
    """Yield each figure that does not follow from the outcomes of the queries."""
    clean = next(iter(found["clean"].values()))
    counted = int((clean.rank > 0).sum())
    expected: list[tuple[str, RecordPart, again.Figures]] = [
        ("clean", record.clean, clean.summary())
    ]
    if record.clean.queries is not None:
        sizes = {"queries": counted, "skipped": len(clean.rank) - counted}
        expected.append(("clean", record.clean, {key: float(n) for key, n in sizes.items()}))
    for place, one in enumerate(record.attacks):
        figures = again.attack_figures(one, clean, found[one.key], stored.pids)
        expected.append((f"attacks.{place} ({one.key})", one, figures))
    for name in ("worst_case", "worst_seen", "worst_unseen"):
        worst = getattr(record, name)
        if worst is not None and all(key in found for key in worst.attacks):
            expected.append((name, worst, again.worst_figures(worst, found, stored.pids)))
    if record.worst_case is not None and not any(_worst_names(record)):
        for place, point in enumerate(record.worst_by_eps):
            swept = again.sweep_figures(record, point, found)
            expected.append((f"worst_by_eps.{place}", point, swept))
        if record.bias is not None:
            bias = again.bias_figures(record, clean, found, stored.pids)
            expected.append(("bias", record.bias, bias))
    for where, part, figures in expected:
        yield from _differences(f"{record.dataset}: {where}", part, figures)


def _differences(where: str, part: RecordPart, figures: again.Figures) -> Iterator[Problem]:
    written = dict(_leaves(part.model_dump()))
    for key, value in figures.items():
        said = written.get(key)
        if said is None or abs(said - value) > TOLERANCE:
            shown = "missing" if said is None else f"{said:.6f}"
            yield Problem(f"{where}: {key} is {shown}, but the queries give {value:.6f}", _RERUN)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Yield all numbers within a value, by their keys and places."""
    if isinstance(value, dict | list | tuple):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in parts:
            yield from _leaves(one, f"{path}.{key}" if path else str(key))
    elif isinstance(value, int | float):
        yield path, value
