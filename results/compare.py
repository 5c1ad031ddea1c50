"""The gain of every row over a baseline, a line each; `benchmark compare` says more of two."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from results.board.comparison import WORST, Contrast, contrast
from results.board.make_boards import make_boards
from results.errors import RecordError
from results.records.query_outcomes import read_measured
from results.statistics.paired_tests import worst_pair


def gains(folders: list[Path], baseline: str) -> list[str]:
    """Return a line for each row of each board that has the baseline.

    Args:
        folders: Where records are.
        baseline: Label of a row, as boards print it.

    Raises:
        RecordError: No board has such a row, or what is there cannot be compared.
    """
    records, measured = read_measured(folders)
    boards = make_boards(records)
    lines = []
    for board in boards:
        reference = next((row for row in board.rows if row.label == baseline), None)
        for row in board.rows if reference is not None else ():
            if reference is not None and row is not reference:
                pair = worst_pair(row.records, reference.records, measured)
                lines.append(_line(row.label, baseline, contrast(pair, WORST)))
    if not lines:
        known = ", ".join(row.label for board in boards for row in board.rows)
        raise RecordError(f"nothing to compare with {baseline!r}; the rows are {known}")
    return lines


def _line(label: str, baseline: str, gain: Contrast) -> str:
    seeds = ", ".join(f"{seed}: {value:+.2f}" for seed, value in gain.by_seed.items())
    low, high = gain.given
    return (
        f"{label} - {baseline}: worst mAP {gain.difference:+.2f} [{low:+.2f}, {high:+.2f}]"
        f"  (seed {seeds})"
    )


def main(arguments: list[str] | None = None) -> int:
    """Print the gain in worst-case mAP of every row over a baseline, given these trainings."""
    parser = argparse.ArgumentParser(prog="python -m results.compare", description=main.__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="folders of records")
    parser.add_argument("--baseline", default="metric-at", help="label of a row of the board")
    options = parser.parse_args(arguments)
    try:
        lines = gains(options.folders, options.baseline)
    except RecordError as error:
        parser.error(str(error))
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
