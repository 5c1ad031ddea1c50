"""Time and memory of ranking at the size of Market-1501, beside plain numpy."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.metrics.ranking import rank_queries

AveragePrecision = NDArray[np.float64]

_REPEATS = 3


@dataclass(frozen=True)
class _Size:
    queries: int
    gallery: int
    dim: int


@dataclass(frozen=True)
class _Split:
    """Random embeddings around the centre of their identity, in Market-1501's proportions."""

    query: NDArray[np.float32]
    query_pids: NDArray[np.int64]
    query_camids: NDArray[np.int64]
    gallery: NDArray[np.float32]
    gallery_pids: NDArray[np.int64]
    gallery_camids: NDArray[np.int64]

    @classmethod
    def random(cls, size: _Size) -> _Split:
        rng = np.random.default_rng(0)
        identities = max(2, size.queries * 750 // 3368)
        centres = rng.standard_normal((identities + 1, size.dim), dtype=np.float32)
        query_pids = rng.integers(1, identities + 1, size.queries)
        gallery_pids = rng.integers(1, identities + 1, size.gallery)
        gallery_pids[rng.random(size.gallery) < 2798 / 15913] = 0

        def around(pids: NDArray[np.int64]) -> NDArray[np.float32]:
            noise = rng.standard_normal((len(pids), size.dim), dtype=np.float32)
            return centres[pids] + np.float32(3.0) * noise

        return cls(
            around(query_pids),
            query_pids,
            rng.integers(1, 7, size.queries),
            around(gallery_pids),
            gallery_pids,
            rng.integers(1, 7, size.gallery),
        )

    @classmethod
    def load(cls, path: Path) -> _Split:
        with np.load(path) as arrays:
            return cls(**arrays)


def bench_ranking(
    queries: int = 3368, gallery: int = 15913, dim: int = 512
) -> dict[str, dict[str, float]]:
    """Rank a gallery for every query: this benchmark beside plain numpy, a fresh process each.

    Returns:
        By implementation: ``seconds`` (best of three), ``extra_mib`` (peak resident memory above
        that before the call), ``map``, and ``largest_ap_difference`` from the numpy one: where a
        match and a negative are as near as float32 can tell, they may swap.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "split.npz"
        np.savez(path, **asdict(_Split.random(_Size(queries, gallery, dim))))
        ours, numpy_ap = _measure(_ours, path), _measure(_numpy, path)
    difference = float(np.nanmax(np.abs(ours.ap - numpy_ap.ap)))
    return {
        "benchmark.metrics": {**ours.row(), "largest_ap_difference": difference},
        "numpy argsort": numpy_ap.row(),
    }


@dataclass(frozen=True)
class _Measured:
    seconds: float
    extra_mib: float
    ap: AveragePrecision

    def row(self) -> dict[str, float]:
        return {
            "seconds": self.seconds,
            "extra_mib": self.extra_mib,
            "map": 100.0 * float(np.nanmean(self.ap)),
        }


def _measure(implementation: Callable[[_Split], AveragePrecision], path: Path) -> _Measured:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(implementation, path, sender))
    process.start()
    sender.close()
    try:
        measured: _Measured = receiver.recv()
    except EOFError:
        raise RuntimeError("the measured process ended early (out of memory?)") from None
    finally:
        process.join()
    return measured


def _child(
    implementation: Callable[[_Split], AveragePrecision], path: Path, sender: Connection
) -> None:
    implementation(_Split.random(_Size(64, 256, 32)))  # threads and libraries start here
    split = _Split.load(path)  # nothing larger was held before: the peak below is the call's own
    before = _resident_mib(peak=False)
    seconds = float("inf")
    for _ in range(_REPEATS):
        start = time.perf_counter()
        ap = implementation(split)
        seconds = min(seconds, time.perf_counter() - start)
    sender.send(_Measured(seconds, _resident_mib(peak=True) - before, ap))


def _resident_mib(peak: bool) -> float:
    """Return the resident memory of this process, now or at its peak."""
    status = Path("/proc/self/status")
    if not status.exists():  # not Linux: only the peak is known
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
    # ru_maxrss will not do here: a spawned process inherits the peak of its parent.
    wanted = "VmHWM:" if peak else "VmRSS:"
    line = next(line for line in status.read_text().splitlines() if line.startswith(wanted))
    return float(line.split()[1]) / 1024


def _ours(split: _Split) -> AveragePrecision:
    return rank_queries(
        torch.from_numpy(split.query),
        split.query_pids,
        split.query_camids,
        torch.from_numpy(split.gallery),
        split.gallery_pids,
        split.gallery_camids,
        gallery_distractor=split.gallery_pids == 0,
    ).ap


def _numpy(split: _Split) -> AveragePrecision:
    """Compute the whole distance matrix, then sort each row and walk along it."""
    query = split.query / np.linalg.norm(split.query, axis=1, keepdims=True)
    gallery = split.gallery / np.linalg.norm(split.gallery, axis=1, keepdims=True)
    distances = 1 - query @ gallery.T
    ap = np.full(len(query), np.nan)
    for row, (pid, camid) in enumerate(zip(split.query_pids, split.query_camids, strict=True)):
        order = np.argsort(distances[row])
        same = split.gallery_pids[order] == pid
        keep = ~(same & (split.gallery_camids[order] == camid))
        hits = same[keep]
        if hits.any():
            precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
            ap[row] = precision[hits].mean()
    return ap
