"""``report``: the robustness report of one encoder as a page to hand on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.options import Json
from benchmark.cli.paths import as_given
from benchmark.cli.screen import write_json, write_line

if TYPE_CHECKING:
    from results.records.schema import Record
    from results.records.store import PerQuery


def report(
    source: Annotated[
        Path,
        typer.Argument(
            help="A record, or the folder of a run.", metavar="RECORD.json|RUN_DIR", parser=as_given
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            help="The page. Default: beside the record.", metavar="FILE.html", parser=as_given
        ),
    ] = None,
    records: Annotated[
        list[Path] | None,
        typer.Option(
            help="Records to stand among. Default: those that the project publishes.",
            metavar="DIR …",
            parser=as_given,
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Write a page on one encoder: what was attacked and how, what is left, and what to make of it.

    It is one file that loads nothing. A folder with several records gives a page for each, beside
    its record. See docs/report.md.

    Examples:
      python -m benchmark report runs

      python -m benchmark report runs/records/ddid--synthped-plaza--seed0--1a2b3c4d.json

      python -m benchmark report RECORD.json --output robustness.html --json > robustness.json
    """
    from dataclasses import asdict

    from benchmark.cli.glossary import glossary
    from benchmark.runner.error_translation import machine_problems
    from results.errors import RecordError
    from results.records.atomic import publish
    from results.records.ranked_lists import load_ranked_lists
    from results.records.store import read_record_files
    from results.render.report_page import report_page
    from results.report.build import make_report

    found = read_record_files([source])
    if not found:
        raise RecordError(
            f"no records in {source}", "give a record or the folder of a finished run"
        )
    _check_output(output, [path for path, _ in found])
    published, words = _published(records), glossary()
    reports = []
    for path, record in found:
        lists = load_ranked_lists(path)
        made = make_report(
            record,
            outcomes=_outcomes(path, record),
            lists=lists,
            published=published,
            glossary=words,
        )
        page = report_page(made, lists.pictures if lists is not None else {})
        target = output or path.with_suffix(".html")
        with machine_problems(target):
            publish(target, page.encode())
        reports.append(made)
        if not json_:
            write_line(f"wrote {target}")
    if json_:
        documents = [asdict(one) for one in reports]
        write_json(documents[0] if len(documents) == 1 else documents)


def _check_output(output: Path | None, records: Sequence[Path]) -> None:
    """Refuse one page for several records, and a page in place of a folder or of a record."""
    from benchmark.core.errors import UsageError

    if output is None:
        return
    if len(records) > 1:
        raise UsageError(
            f"{len(records)} records do not fit into one page",
            f"name one, such as {records[0]}, or leave --output out to get a page beside each",
        )
    if output.is_dir() or output.suffix not in (".html", ".htm"):
        raise UsageError(f"{output} is no name of a page", "name a file that ends in .html")


def _outcomes(path: Path, record: Record) -> PerQuery | None:
    """Return the outcomes of the queries of a record, where they lie beside it."""
    from results.records.store import load_per_query, per_query_path

    beside = per_query_path(path, record.per_query)
    return None if beside is None else load_per_query(beside)


def _published(folders: Sequence[Path] | None) -> list[Record]:
    """Return the records to stand among; none where the project's are not installed."""
    import results
    from results.records.store import read_records

    own = Path(results.__file__).parent / "published"
    return read_records(folders or ([own] if own.is_dir() else []))
