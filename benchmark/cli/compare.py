"""``compare``: two rows of a board side by side, and how far to trust the difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.cli.options import Json
from benchmark.cli.paths import as_given
from benchmark.cli.screen import write_json

if TYPE_CHECKING:
    from results.board.boards import Board
    from results.board.comparison import Comparison, Contrast, Interval
    from results.statistics.spread import VarianceSplit


def compare(
    a: Annotated[str, typer.Argument(help="Label of a row, as boards print it.", metavar="A")],
    b: Annotated[str, typer.Argument(help="Label of another row.", metavar="B")],
    records: Annotated[
        list[Path] | None,
        typer.Option(help="Folders of runs or of records.", metavar="DIR …", parser=as_given),
    ] = None,
    test_dataset: Annotated[
        str | None,
        typer.Option(help="Compare on this data set. Default: the one trained on.", metavar="NAME"),
    ] = None,
    json_: Json = False,
) -> None:
    """Compare two defenses on the same queries: gains, intervals, a test, and what flips.

    Every number is explained in docs/statistics.md.

    Examples:
      python -m benchmark compare ddid metric-at

      python -m benchmark compare ddid metric-at --records results/published/embedded --json

      python -m benchmark compare ddid metric-at --test-dataset synthped-campus
    """
    from results.board.comparison import compare as compare_rows
    from results.board.make_boards import make_boards
    from results.errors import RecordError
    from results.records.query_outcomes import read_measured

    places = records or [Path("runs")]
    found, measured = read_measured(places, test_dataset)
    if not measured:
        names = ", ".join(map(str, places))
        of = f" of {test_dataset}" if test_dataset else ""
        raise RecordError(
            f"no records with per-query files{of} in {names}",
            "give the --output folder of a finished run with --records, or run again",
        )
    comparisons = []
    for board in _boards_of(make_boards(found, measured), a, b):
        first, second = (next(r for r in board.rows if r.label == label) for label in (a, b))
        comparisons.append(compare_rows(board, first, second, measured))
    if json_:
        write_json({"a": a, "b": b, "boards": [_as_json(one) for one in comparisons]})
    else:
        for one in comparisons:
            _print(one)


def _boards_of(boards: Sequence[Board], a: str, b: str) -> list[Board]:
    """Return the boards that have both rows.

    Raises:
        UsageError: There is no such row, or no board has both.
    """
    from benchmark.core.errors import UsageError, unknown_name

    labels = {row.label for board in boards for row in board.rows}
    for label in (a, b):
        if label not in labels:
            raise unknown_name("row", label, labels)
    if a == b:
        raise UsageError(f"{a} cannot be compared with itself", "name two rows of a board")
    both = [one for one in boards if {a, b} <= {row.label for row in one.rows}]
    if not both:
        raise UsageError(
            f"{a} and {b} are not on one board",
            "compare what ran on the same data under the same attacks; see the command board",
        )
    return both


def _as_json(one: Comparison) -> dict[str, Any]:
    record = one.board.example
    groups = one.board.groups
    return {
        "dataset": record.dataset,
        "backbone": record.backbone,
        "protocol": record.protocol.fingerprint,
        "threat": one.board.threat,
        "seeds": list(one.seeds),
        "queries": one.queries,
        "identities": one.identities,
        "p_holm": one.adjusted_p,
        "groups": {"a": groups.get(one.first.label), "b": groups.get(one.second.label)},
        "contrasts": [_contrast_json(line) for line in one.contrasts],
        "worst_case_variance": {
            name: asdict(split) for name, split in zip("ab", one.spreads, strict=True)
        },
    }


def _contrast_json(line: Contrast) -> dict[str, Any]:
    return {
        "name": line.name,
        "a_map": line.ours,
        "b_map": line.theirs,
        "difference": line.difference,
        "by_seed": {str(seed): value for seed, value in line.by_seed.items()},
        "ci95_given_trainings": line.given,
        "ci95_over_trainings": line.crossed,
        "p": line.p,
        "effect_size": line.effect,
        "rank1_only_a": line.flips[0],
        "rank1_only_b": line.flips[1],
    }


def _print(one: Comparison) -> None:
    from rich.console import Console
    from rich.text import Text

    from results.board.columns import TableCell
    from results.render.console import fitted_tables

    console = Console(highlight=False)
    lines = one.contrasts
    texts = {
        "A": [f"{line.ours:.2f}" for line in lines],
        "B": [f"{line.theirs:.2f}" for line in lines],
        "A - B": [f"{line.difference:+.2f}" for line in lines],
        "these trainings": [_interval(line.given) for line in lines],
        "any trainings": [_interval(line.crossed) for line in lines],
        "p": [f"{line.p:.4f}" for line in lines],
        "d": ["n/a" if line.effect is None else f"{line.effect:+.2f}" for line in lines],
        "only A": [f"{line.flips[0]:.1f}" for line in lines],
        "only B": [f"{line.flips[1]:.1f}" for line in lines],
    }
    columns = [(title, [TableCell(text) for text in column]) for title, column in texts.items()]
    console.print()
    console.print(Text(one.board.title, style="bold"))
    console.print(Text(f"A {one.first.label}\nB {one.second.label}"))
    for table in fitted_tables("mAP", [line.name for line in lines], columns, console.width):
        console.print()
        console.print(table)
    console.print()
    for text in _remarks(one):
        console.print(Text(text))


def _interval(bounds: Interval | None) -> str:
    return "n/a" if bounds is None else f"{bounds[0]:+.2f} to {bounds[1]:+.2f}"


def _remarks(one: Comparison) -> list[str]:
    """Return what is to be known of the numbers, a line each."""
    from results.board.boards import THIN
    from results.statistics.spread import ENOUGH_SEEDS

    seeds = ", ".join(map(str, one.seeds))
    by_seed = ", ".join(f"{value:+.2f}" for value in one.worst.by_seed.values())
    groups = one.board.groups
    lines = [
        f"{one.queries} queries of {one.identities} identities; training seeds {seeds}: {by_seed}",
        f"worst case: p = {one.adjusted_p:.4f} by Holm over all pairs of the board; "
        f"A in group {groups[one.first.label]}, B in group {groups[one.second.label]}",
        "95% intervals of A - B: identities drawn anew, for these trainings and with trainings "
        "drawn anew, too",
        "p: paired permutation of identities · d: effect size over identities · only A, only B: "
        "queries that one alone gets right at rank 1",
    ]
    if len(one.seeds) < ENOUGH_SEEDS:
        few = f"fewer than {ENOUGH_SEEDS} seeds in common: nothing is said of other trainings"
        lines.append(f"{THIN} {few}")
    spreads = zip("AB", one.spreads, strict=True)
    return [*lines, *(f"std of the worst case of {name}: {_split(one)}" for name, one in spreads)]


def _split(split: VarianceSplit) -> str:
    parts = (
        ("training to training", split.training),
        ("attack seed to attack seed", split.attack),
        ("other queries", split.queries),
    )
    known = [f"{value**0.5:.2f} {name}" for name, value in parts if value is not None]
    return ", ".join(known)
