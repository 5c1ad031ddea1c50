"""Cells side by side: how many times as quick as one worker several are."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmark.bench.ratio import Ratio
from benchmark.config.load import load_run_config
from benchmark.core.cores import cores
from benchmark.core.progress import SilentProgress
from benchmark.runner.journal import Journal
from benchmark.runner.output import OutputFolder
from benchmark.runner.run import run_benchmark

LEAST = 1.8
"""Target of two workers, in times of one."""
CELLS = 8
_ALL: dict[str, Any] = {
    "preset": "smoke",
    "defense": "none",
    "test_dataset": "none",
    "device": "cpu",
}


def worker_ratios(steps: int = 120, queries: int = 64, count: int = 2) -> Iterator[Ratio]:
    """Yield how many times as quick attack cells are with two workers, a thread each.

    Nothing on a machine without so many cores, or with a GPU, where each worker takes one.

    Args:
        steps: Of each attack.
        queries: That each attacks.
        count: Workers.
    """
    if cores() < count or torch.cuda.is_available():
        return
    with tempfile.TemporaryDirectory() as folder, _one_thread():
        trained = Path(folder) / "trained"
        _run(trained, 1, steps, queries, eps=[])
        seconds = {}
        for workers in (1, count):
            output = Path(folder) / str(workers)
            shutil.copytree(trained, output)
            _run(output, workers, steps, queries, eps=range(1, CELLS + 1))
            seconds[workers] = attack_seconds(OutputFolder(output))
    yield Ratio(
        f"{CELLS} attacks: one worker over {count}",
        seconds[1] / seconds[count],
        f"a thread each, {queries} queries, wall time without the start of workers, once",
        at_least=LEAST,
    )


def _run(output: Path, workers: int, steps: int, queries: int, eps: Sequence[int]) -> None:
    attack = {"attack": "metric-pgd", "eps": list(eps)} if eps else {"attack": "random-noise"}
    options = {**_ALL, **attack, "output": output, "queries": queries, "workers": workers}
    keys = ["evaluation.checks=false", f"attack.metric-pgd.steps={steps}"]
    run_benchmark(load_run_config(options, keys if eps else keys[:1]), SilentProgress())


def attack_seconds(folder: OutputFolder) -> float:
    """Return the time from the start of the first cell that was computed to the end of the last.

    Ends are those of the files, as the journal tells whole seconds.
    """
    finished = [one for one in Journal(folder.journal).read() if one["event"] == "finished"]
    mine = [one for one in finished if " metric-pgd " in one["label"]]
    ends = {one["cell"]: _written(folder.cells / one["cell"]) for one in mine}
    starts = [ends[one["cell"]] - float(one["seconds"]) for one in mine]
    return max(ends.values()) - min(starts)


def _written(cell: Path) -> float:
    return (cell / "cell.json").stat().st_mtime


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
