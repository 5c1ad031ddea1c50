"""The one table of `make bench`: every row a ratio, so that it means the same on any machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any

from rich.table import Table

from benchmark.bench.ratio import Ratio
from benchmark.core.progress import Progress

MEASURED_BY = (
    "benchmark.bench.attack_overhead:attack_ratios",
    "benchmark.bench.bare_step:training_ratios",
    "benchmark.bench.loader:loader_ratios",
    "benchmark.bench.ranking:ranking_ratios",
    "benchmark.bench.workers:worker_ratios",
    "benchmark.bench.gpu:gpu_ratios",
)
"""What measures the rows: callables without arguments that yield `Ratio`; on a machine that cannot
measure a row, it is not there."""


def measure(progress: Progress, measured_by: Iterable[str] = MEASURED_BY) -> Iterator[Ratio]:
    """Yield the rows as they are measured."""
    addresses = tuple(measured_by)
    with progress.task("bench", len(addresses)) as bar:
        for address in addresses:
            bar.advance(0, address.rpartition(":")[2].replace("_", " "))
            yield from load(address)()
            bar.advance()


def load(address: str) -> Callable[[], Any]:
    """Return what an address ``module:name`` names."""
    module, name = address.split(":")
    measured: Callable[[], Any] = getattr(import_module(module), name)
    return measured


def as_table(ratios: Iterable[Ratio]) -> Table:
    """Return the table for a terminal."""
    table = Table("what", "ratio", "target", "met", "how")
    table.columns[1].justify = "right"
    words = {None: "", True: "yes", False: "no"}
    for one in ratios:
        table.add_row(one.what, f"{one.value:.3g}", one.target, words[one.met], one.how)
    return table
