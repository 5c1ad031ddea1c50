"""``board``: the leaderboard of the records of one or more runs."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.paths import as_given
from benchmark.cli.screen import write_line

if TYPE_CHECKING:
    from results.board.boards import Board
    from results.records.query_outcomes import Measured
    from results.records.schema import Record

FORMATS = ("md", "csv", "json", "latex", "bibtex", "figures", "html", "all")
"""``all`` is what is read beside the records: not the site, nor what goes into a paper."""
UNPRINTABLE = {"figures": "figures cannot be printed", "html": "a site cannot be printed"}


def board(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders of runs, or of records in sub-folders. Default: runs.",
            metavar="RECORDS_DIR …",
            parser=as_given,
        ),
    ] = None,
    format_: Annotated[
        str, typer.Option("--format", help="What to write.", metavar="|".join(FORMATS))
    ] = "all",
    output: Annotated[
        Path | None,
        typer.Option(help="Where to write; without it, print.", metavar="DIR", parser=as_given),
    ] = None,
    test_dataset: Annotated[
        str | None,
        typer.Option(
            help="The board on this data set. Default: the one trained on.", metavar="NAME"
        ),
    ] = None,
) -> None:
    """Print or write the leaderboard of the records in some folders, with curves and figures.

    The format html is a site to open or to publish; see docs/site.md.

    Examples:
      python -m benchmark board runs

      python -m benchmark board runs more-runs --format csv --output tables

      python -m benchmark board runs --format html --output site

      python -m benchmark board runs --test-dataset synthped-campus
    """
    from benchmark.core.errors import UsageError, unknown_name
    from benchmark.runner.error_translation import machine_problems
    from results.board.make_boards import make_boards
    from results.errors import RecordError
    from results.records.query_outcomes import outcomes_beside, read_files_on

    if format_ not in FORMATS:
        raise unknown_name("format", format_, FORMATS)
    if format_ in UNPRINTABLE and output is None:
        raise UsageError(UNPRINTABLE[format_], "say where to write with --output DIR")
    places = folders or [Path("runs")]
    with _without_garbage_collection():
        files = read_files_on(places, test_dataset)
        if not files:
            names = ", ".join(map(str, places))
            hint = "give the --output folder of a finished run"
            raise RecordError(f"no records in {names}", hint)
        measured = outcomes_beside(files)
        boards = make_boards((record for _, record in files), measured)
        if output is None and format_ == "all":
            from results.render.console import print_leaderboard

            print_leaderboard(boards)
        elif output is None:
            sys.stdout.write(next(iter(_texts(boards, format_).values())))
        elif format_ == "html":
            with machine_problems(output):
                _write_site(boards, measured, files, output, test_dataset is not None)
        else:
            with machine_problems(output):
                _write(boards, format_, output)


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Spare a third of the time: records are many objects that all stay, and none is a cycle."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _write(boards: list[Board], format_: str, output: Path) -> None:
    from results.records.atomic import publish
    from results.render.figures import write_figures

    texts = _texts(boards, format_)
    paths = [publish(output / name, text.encode()) for name, text in texts.items()]
    if format_ in ("figures", "all"):
        paths += write_figures(boards, output)
    for path in paths:
        write_line(f"wrote {path}")
    if not paths:
        write_line("nothing to draw: one row, no sweep of budgets, no black-box curve")


def _write_site(
    boards: list[Board],
    measured: Measured,
    files: list[tuple[Path, Record]],
    output: Path,
    elsewhere: bool,
) -> None:
    """Write the site; records as they stand on other data do not tell how they were made."""
    from dataclasses import replace

    from benchmark.cli.glossary import glossary
    from benchmark.cli.references import references_of
    from benchmark.runner.reproduction import command_of
    from results.records.commit_dates import commit_dates
    from results.render.site.build import write_site
    from results.render.site.context import SiteContext, row_id

    places = {record.id: path for path, record in files}
    context = SiteContext(
        boards,
        measured,
        places,
        replace(glossary(), references=references_of(boards)),
        commands={
            row_id(row): command_of(row.records)
            for one in ([] if elsewhere else boards)
            for row in one.rows
        },
        published=commit_dates(places),
    )
    paths = write_site(context, output)
    write_line(f"wrote {paths[0]} and {len(paths) - 1} more files")


def _texts(boards: list[Board], format_: str) -> dict[str, str]:
    from results.render.leaderboard import texts

    if format_ == "bibtex":
        from benchmark.cli.references import references_of

        return texts(boards, (format_,), references_of(boards))
    return texts(boards, ("md", "csv", "json") if format_ == "all" else (format_,))
