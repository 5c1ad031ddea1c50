"""Print one table of ratios, or the measured numbers of the benches that are named."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from benchmark.bench.one_table import as_table, load, measure
from benchmark.core.progress_choice import make_progress

BENCHES: Mapping[str, str] = {
    "ranking": "benchmark.bench.ranking:bench_ranking",
    "ranking-msmt17": "benchmark.bench.ranking:bench_ranking_msmt17",
    "ranking-500k": "benchmark.bench.ranking:bench_ranking_500k",
    "attack-overhead": "benchmark.bench.attack_overhead:bench_attack_overhead",
    "attack-overhead-resnet18": "benchmark.bench.attack_overhead:bench_attack_overhead_resnet18",
    "training-step": "benchmark.bench.training_step:bench_training_step",
    "bare-step": "benchmark.bench.bare_step:bench_bare_steps",
    "busy-neighbour": "benchmark.bench.busy_neighbour:bench_busy_neighbour",
}
"""Where each bench is: a callable without arguments that returns the rows of its table."""

Rows = Mapping[str, Mapping[str, float]]
"""Measured numbers by implementation, then by quantity with its unit."""


def main(arguments: list[str] | None = None) -> int:
    """Print the one table, or what the named benches measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmark.bench", description=__doc__)
    parser.add_argument(
        "bench", nargs="*", metavar="BENCH", help=f"{', '.join(BENCHES)}; default: one table"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.bench if name not in BENCHES]
    if unknown:
        parser.error(f"unknown bench {unknown[0]!r}; known: {', '.join(BENCHES)}")
    if not options.bench:
        _one_table(options.json)
    elif options.json:
        Console().print_json(data={name: load(BENCHES[name])() for name in options.bench})
    else:
        _named_benches(options.bench)
    return 0


def _one_table(as_json: bool) -> None:
    ratios = list(measure(make_progress()))
    if as_json:
        Console().print_json(data=[one.as_json() for one in ratios])
    else:
        Console().print(as_table(ratios))


def _named_benches(names: list[str]) -> None:
    console = Console()
    for name in names:
        bench = load(BENCHES[name])
        console.print(f"{name}: {(bench.__doc__ or '').splitlines()[0]}", style="bold")
        console.print(_table(bench()))


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
