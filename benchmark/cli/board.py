"""``board``: the leaderboard of the records of one or more runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FORMATS = ("md", "csv", "json", "all")
LATER = ("latex", "html")


def board(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders of runs. Default: runs.", metavar="RECORDS_DIR …"),
    ] = None,
    format_: Annotated[
        str, typer.Option("--format", help="What to write.", metavar="md|csv|json|all")
    ] = "all",
    output: Annotated[
        Path | None, typer.Option(help="Where to write; without it, print.", metavar="DIR")
    ] = None,
) -> None:
    """Print or write the leaderboard of the records in some folders.

    Examples:
      python -m benchmark board runs

      python -m benchmark board runs more-runs --format csv --output tables
    """
    from benchmark.core.errors import UsageError, unknown_name
    from benchmark.runner.faults import machine_problems
    from results.errors import RecordError
    from results.store import read_records

    if format_ in LATER:
        raise UsageError(
            f"the format {format_} is not available in this version", f"use {', '.join(FORMATS)}"
        )
    if format_ not in FORMATS:
        raise unknown_name("format", format_, FORMATS)
    places = folders or [Path("runs")]
    records = read_records(places)
    if not records:
        names = ", ".join(map(str, places))
        raise RecordError(f"no records in {names}", "give the --output folder of a finished run")
    if output is None and format_ == "all":
        from results.console import print_leaderboard

        print_leaderboard(records)
        return
    texts = _texts(records, FORMATS[:-1] if format_ == "all" else (format_,))
    if output is None:
        typer.echo(next(iter(texts.values())), nl=False)
        return
    with machine_problems(output):
        output.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (output / name).write_text(text, encoding="utf-8")
            typer.echo(f"wrote {output / name}")


def _texts(records: list, formats: tuple[str, ...]) -> dict[str, str]:  # type: ignore[type-arg]
    """Return the text of each file by its name."""
    import json

    from results.board import make_boards
    from results.markdown import boards_markdown
    from results.table import leaderboard_frame

    texts = {}
    if "md" in formats:
        texts["leaderboard.md"] = boards_markdown(make_boards(records))
    frame = leaderboard_frame(records)
    if "csv" in formats:
        texts["leaderboard.csv"] = frame.to_csv(index=False, lineterminator="\n")
    if "json" in formats:
        rows = json.loads(frame.to_json(orient="records"))
        texts["leaderboard.json"] = json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
    return texts
