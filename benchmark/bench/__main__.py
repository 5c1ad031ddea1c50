"""Run every bench and print one table each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from importlib import import_module

from rich.console import Console
from rich.table import Table

BENCHES: Mapping[str, str] = {
    "ranking": "benchmark.bench.ranking:bench_ranking",
    "ranking-msmt17": "benchmark.bench.ranking:bench_ranking_msmt17",
    "ranking-500k": "benchmark.bench.ranking:bench_ranking_500k",
    "attack-overhead": "benchmark.bench.attack_overhead:bench_attack_overhead",
    "attack-overhead-resnet18": "benchmark.bench.attack_overhead:bench_attack_overhead_resnet18",
    "training-step": "benchmark.bench.training_step:bench_training_step",
    "busy-neighbour": "benchmark.bench.busy_neighbour:bench_busy_neighbour",
}
"""Where each bench is: a callable without arguments that returns the rows of its table."""

Rows = Mapping[str, Mapping[str, float]]
"""Measured numbers by implementation, then by quantity with its unit."""


def main(arguments: list[str] | None = None) -> int:
    """Run the named benches, or all of them, and print what they measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmark.bench", description=__doc__)
    parser.add_argument(
        "bench", nargs="*", metavar="BENCH", help=f"{', '.join(BENCHES)}; default: all"
    )
    chosen = parser.parse_args(arguments).bench or list(BENCHES)
    unknown = [name for name in chosen if name not in BENCHES]
    if unknown:
        parser.error(f"unknown bench {unknown[0]!r}; known: {', '.join(BENCHES)}")
    console = Console()
    for name in chosen:
        bench = _load(BENCHES[name])
        console.print(f"{name}: {(bench.__doc__ or '').splitlines()[0]}", style="bold")
        console.print(_table(bench()))
    return 0


def _load(address: str) -> Callable[[], Rows]:
    module, attribute = address.split(":")
    bench: Callable[[], Rows] = getattr(import_module(module), attribute)
    return bench


def _table(rows: Rows) -> Table:
    quantities = list(dict.fromkeys(key for row in rows.values() for key in row))
    table = Table("", *quantities)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, row in rows.items():
        table.add_row(name, *(f"{row[key]:.4g}" if key in row else "" for key in quantities))
    return table


if __name__ == "__main__":
    sys.exit(main())
