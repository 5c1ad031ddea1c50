"""Rank a few queries anew from the embeddings that lie beside a record."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.core.errors import BenchmarkError
from benchmark.metrics.ranking import rank_queries
from results.records.schema import Record
from results.records.store import load_per_query, per_query_path
from results.submission.problem import Problem
from results.submission.sampled_embeddings import SampledEmbeddings, load_sampled

SHARE = 0.01
_TOLERANCE = 1e-6
_RERUN = "submit again with --embeddings from the output folder of the run"


def sampled_rows(record: Record, queries: int) -> NDArray[np.int64]:
    """Return the rows of the queries that are ranked anew: a hundredth, at least one.

    They follow from the id of the record, so that nobody chooses them.
    """
    seed = int.from_bytes(hashlib.sha256(record.id.encode()).digest()[:8], "big")
    count = max(1, round(SHARE * queries))
    chosen = np.random.default_rng(seed).choice(queries, count, replace=False)
    return np.sort(chosen).astype(np.int64)


def sample_problems(path: Path, record: Record) -> Iterator[Problem]:
    """Yield what the embeddings beside a record say against its per-query file.

    Raises:
        RecordError: A file beside it is damaged.
    """
    sample = load_sampled(path)
    beside = per_query_path(path, record.per_query)
    if sample is None or beside is None:
        yield Problem(
            "no query was ranked anew: there are no embeddings beside it",
            "submit with --embeddings",
            "note",
        )
        return
    if record.protocol.rerank is not None:
        yield Problem(
            "no query was ranked anew: re-ranked lists need all queries", "nothing to do", "note"
        )
        return
    stored = load_per_query(beside)
    rows = sampled_rows(record, len(stored.queries))
    if not np.array_equal(sample.rows, rows):
        yield Problem("the embeddings are of other queries than its id chooses", _RERUN)
        return
    yield from _ranked(sample, stored.pids[rows], stored.camids[rows], stored.ap["clean"][rows])


def _ranked(
    sample: SampledEmbeddings,
    pids: NDArray[np.int64],
    camids: NDArray[np.int64],
    said: NDArray[np.float64],
) -> Iterator[Problem]:
    try:
        found = rank_queries(
            torch.from_numpy(sample.query.copy()),
            pids,
            camids,
            torch.from_numpy(sample.gallery.copy()),
            sample.gallery_pids,
            sample.gallery_camids,
            gallery_junk=sample.gallery_junk,
            gallery_distractor=sample.gallery_distractor,
        ).ap
    except (BenchmarkError, ValueError) as error:
        yield Problem(f"the embeddings cannot be ranked: {error}", _RERUN)
        return
    for row, again, once in zip(sample.rows, found, said, strict=True):
        if not np.isclose(again, once, rtol=0, atol=_TOLERANCE, equal_nan=True):
            yield Problem(
                f"clean: query {row} has AP {once:.6f}, but its embedding ranks to {again:.6f}",
                _RERUN,
            )
