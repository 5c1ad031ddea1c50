"""Check the figures of a record against the outcome of each query."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from results.errors import RecordError
from results.records.printable import printable
from results.records.retrieval import RecordPart
from results.records.schema import Record
from results.records.store import PerQuery, load_per_query, per_query_path
from results.submission import outcome_figures as again
from results.submission.problem import RERUN, Problem
from results.submission.worst_case_checks import worst_problems

TOLERANCE = 1e-6
"""Of percentages computed on another machine."""


def outcome_problems(path: Path, record: Record) -> Iterator[Problem]:
    """Yield what is wrong between a record and its per-query file on the data set of the record."""
    if record.per_query is None:
        yield Problem(
            f"{record.dataset}: it names no per-query file, so that no figure can be checked",
            RERUN,
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
        yield Problem(f"the per-query file cannot be read: {what}", RERUN)
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
        yield Problem(f"{where} has no outcomes of {printable(key)}", RERUN)
    for key in sorted(set(found) - wanted):
        yield Problem(f"{where} has outcomes of {printable(key)}, which the record lacks", RERUN)
    for one in record.attacks:
        seeds: list[int | None] = [repeat.attack_seed for repeat in one.by_attack_seed]
        if one.key in found and list(found[one.key]) != (seeds or [None]):
            yield Problem(f"{where} has other attack seeds of {one.key} than the record", RERUN)
    if len(set(stored.queries.tolist())) < len(stored.queries):
        yield Problem(f"{where} names a query twice", RERUN)
    few = record.protocol.queries
    if few is not None and "→" not in record.dataset and few.chosen != len(stored.queries):
        yield Problem(f"{where} holds {len(stored.queries)} queries, not {few.chosen}", RERUN)
    if "clean" not in found:
        return
    counts = next(iter(found["clean"].values())).rank > 0
    if not counts.any():
        yield Problem(f"{where} has no query with a match", RERUN)
    for key, seeds_of in found.items():
        for outcome in seeds_of.values():
            masks = (outcome.rank > 0, ~np.isnan(outcome.ap))
            if not all(np.array_equal(mask, counts) for mask in masks):
                yield Problem(f"{where}: {printable(key)} counts other queries than clean", RERUN)
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
    if record.worst_case is not None and not any(worst_problems(record)):
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
            yield Problem(f"{where}: {key} is {shown}, but the queries give {value:.6f}", RERUN)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Yield all numbers within a value, by their keys and places."""
    if isinstance(value, dict | list | tuple):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in parts:
            yield from _leaves(one, f"{path}.{key}" if path else str(key))
    elif isinstance(value, int | float):
        yield path, value
