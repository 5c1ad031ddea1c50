"""Time and memory of ranking at the size of real data sets, beside other ways to rank."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.bench.compiled_ranking import compiled_ranking, compiler
from benchmark.bench.embedding_split import EmbeddingSplit, SplitSize
from benchmark.bench.ratio import Ratio
from benchmark.metrics.ranking import rank_queries

AveragePrecision = NDArray[np.float64]
Way = Callable[[EmbeddingSplit], AveragePrecision]

MARKET1501 = SplitSize(3368, 15913, 512, identities=750, distractors=2798)
MSMT17 = SplitSize(11659, 82161, 2048, identities=3060, distractors=0)
MARKET1501_500K = SplitSize(3368, 515913, 2048, identities=750, distractors=502798)


def ranking_ratios(size: SplitSize = MARKET1501, repeats: int = 2) -> Iterator[Ratio]:
    """Yield what other ways to rank Market-1501 take over this benchmark's; larger is better."""
    how = f"{size.queries} × {size.gallery}, a process each, processor time, fastest of {repeats}"
    rows = bench_ranking(size, repeats)
    ours = rows.pop("benchmark.metrics")["processor_seconds"]
    for name, row in rows.items():
        yield Ratio(f"ranking: {name} over ours", row["processor_seconds"] / ours, how, at_least=1)


def bench_ranking(size: SplitSize = MARKET1501, repeats: int = 3) -> dict[str, dict[str, float]]:
    """Rank Market-1501: this benchmark beside other ways, a fresh process each.

    Returns:
        By implementation: ``seconds`` and ``processor_seconds`` (of all cores), the best of the
        repeats, ``extra_mib`` (peak resident memory above that before the call), ``map``; how many
        ``times_the_time`` of this benchmark's it took; and the ``largest_ap_difference`` from
        plain numpy: where a match and a negative are as near as float32 can tell, they may swap.
    """
    ways: dict[str, Way] = {"benchmark.metrics": _ours}
    if compiler() is not None:
        ways["torchreid's compiled way"] = compiled_ranking
    ways["plain numpy"] = _numpy
    measured = _measure(ways, size, repeats)
    ours, plain = measured["benchmark.metrics"], measured["plain numpy"]
    return {
        name: one.row()
        | {
            "times_the_time": one.seconds / ours.seconds,
            "largest_ap_difference": float(np.nanmax(np.abs(one.ap - plain.ap))),
        }
        for name, one in measured.items()
    }


def bench_ranking_msmt17() -> dict[str, dict[str, float]]:
    """Rank MSMT17 with 2048 dimensions: on the CPU, and on a GPU if there is one."""
    return _large(MSMT17)


def bench_ranking_500k() -> dict[str, dict[str, float]]:
    """Rank Market-1501 with 500,000 distractors and 2048 dimensions: on the CPU, and a GPU."""
    return _large(MARKET1501_500K)


def _large(size: SplitSize) -> dict[str, dict[str, float]]:
    ways: dict[str, Way] = {"benchmark.metrics": _ours}
    if torch.cuda.is_available():
        ways["benchmark.metrics on the GPU"] = _ours_on_gpu
    measured = _measure(ways, size, repeats=1)
    return {name: one.row() for name, one in measured.items()}


@dataclass(frozen=True)
class _Measured:
    seconds: float
    processor_seconds: float
    extra_mib: float
    gpu_mib: float
    ap: AveragePrecision

    def row(self) -> dict[str, float]:
        row = {
            "seconds": self.seconds,
            "processor_seconds": self.processor_seconds,
            "extra_mib": self.extra_mib,
            "map": 100.0 * float(np.nanmean(self.ap)),
        }
        return row | ({"gpu_mib": self.gpu_mib} if self.gpu_mib else {})


def _measure(ways: dict[str, Way], size: SplitSize, repeats: int) -> dict[str, _Measured]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "split.npz"
        np.savez(path, **asdict(EmbeddingSplit.random(size)))
        return {name: _in_a_child(way, path, repeats) for name, way in ways.items()}


def _in_a_child(way: Way, path: Path, repeats: int) -> _Measured:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(way, path, repeats, sender))
    process.start()
    sender.close()
    try:
        measured: _Measured = receiver.recv()
    except EOFError:
        raise RuntimeError("the measured process ended early (out of memory?)") from None
    finally:
        process.join()
    return measured


def _child(way: Way, path: Path, repeats: int, sender: Connection) -> None:
    # Threads and libraries start here.
    way(EmbeddingSplit.random(SplitSize(64, 256, 32, identities=14, distractors=45)))
    split = EmbeddingSplit.load(path)  # nothing larger was held: the peak below is the call's own
    before = _resident_mib(peak=False)
    seconds = processor_seconds = float("inf")
    for _ in range(repeats):
        start, processor_start = time.perf_counter(), time.process_time()
        ap = way(split)
        seconds = min(seconds, time.perf_counter() - start)
        processor_seconds = min(processor_seconds, time.process_time() - processor_start)
    gpu_mib = torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else 0.0
    extra_mib = _resident_mib(peak=True) - before
    sender.send(_Measured(seconds, processor_seconds, extra_mib, gpu_mib, ap))


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


def _ours(split: EmbeddingSplit, device: torch.device | None = None) -> AveragePrecision:
    return rank_queries(
        torch.from_numpy(split.query),
        split.query_pids,
        split.query_camids,
        torch.from_numpy(split.gallery),
        split.gallery_pids,
        split.gallery_camids,
        gallery_distractor=split.gallery_pids == 0,
        device=device,
    ).ap


def _ours_on_gpu(split: EmbeddingSplit) -> AveragePrecision:
    return _ours(split, torch.device("cuda"))


def _numpy(split: EmbeddingSplit) -> AveragePrecision:
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
