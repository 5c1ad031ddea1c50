"""``validate``: whether records may be trusted, as far as they can be checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.errors import show_error
from benchmark.cli.options import Json
from benchmark.cli.paths import as_given
from benchmark.cli.screen import write_json, write_line

if TYPE_CHECKING:
    from benchmark.runner.examined import Examined


def validate(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Record files, or folders with some.", metavar="RECORD.json …", parser=as_given
        ),
    ],
    json_: Json = False,
) -> int:
    """Check records: schema, ids, budgets, and every figure against the outcome of each query.

    Exit with 3 if one is refused. What cannot be checked is said. See docs/submit.md.

    Examples:
      python -m benchmark validate runs/records/*.json

      python -m benchmark validate results/published/board --json
    """
    from benchmark.core.errors import EXIT_DATA, EXIT_OK
    from benchmark.runner.examined import examine_all
    from results.records.printable import without_controls

    examined = []
    for one in examine_all(files):
        examined.append(one)
        for problem in one.problems:
            if problem.grade != "note":
                show_error(f"{one.path}: {problem.what}", problem.mend, grade=problem.grade)
        if one.record is not None and not one.is_refused and not json_:
            write_line(f"ok    {without_controls(str(one.path))}")
    valid = not any(one.is_refused for one in examined)
    if json_:
        write_json({"valid": valid, "examined": [_as_json(one) for one in examined]})
    else:
        _print_notes(examined)
    return EXIT_OK if valid else EXIT_DATA


def _print_notes(examined: Sequence[Examined]) -> None:
    """Say what could not be checked, once for all records of which it is so."""
    from collections import Counter

    from results.records.printable import without_controls

    notes = Counter(p.what for one in examined for p in one.problems if p.grade == "note")
    for what, times in notes.items():
        write_line(f"note  {without_controls(what)} ({times} of {len(examined)})")


def _as_json(one: Examined) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "file": str(one.path),
        "id": None if one.record is None else one.record.id,
        "valid": not one.is_refused,
        "problems": [asdict(problem) for problem in one.problems],
    }
