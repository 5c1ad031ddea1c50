"""``submit``: publish the records of a run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.errors import show_error
from benchmark.cli.options import Json
from benchmark.cli.paths import as_given
from benchmark.cli.screen import write_json, write_line

if TYPE_CHECKING:
    from results.records.schema import Record
    from results.submission.problem import Problem
    from results.submission.submission_file import Submission

PULL_REQUEST = "pull_request.md"


def submit(
    run_dir: Annotated[
        Path,
        typer.Argument(help="The --output folder of a run.", metavar="RUN_DIR", parser=as_given),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            help="The new folder. Default: results/published/NAME.", metavar="DIR", parser=as_given
        ),
    ] = None,
    by: Annotated[
        str, typer.Option(help="Who submits, as you want to be named.", metavar="NAME")
    ] = "",
    acknowledge: Annotated[
        list[str] | None,
        typer.Option(help="Sanity flags that you have seen and explain.", metavar="FLAG …"),
    ] = None,
    embeddings: Annotated[
        bool,
        typer.Option("--embeddings", help="Add embeddings, so that queries can be ranked anew."),
    ] = False,
    new_board: Annotated[
        bool, typer.Option("--new-board", help="Begin a board of another protocol.")
    ] = False,
    reproduction: Annotated[
        bool, typer.Option("--reproduction", help="You have run published records again.")
    ] = False,
    json_: Json = False,
) -> int:
    """Check the records of a run and write a folder to publish, with the text of a pull request.

    Nothing is written before all is in order, and nothing is ever replaced. See docs/submit.md.

    Examples:
      python -m benchmark submit runs --by "A. Author"

      python -m benchmark submit runs --by "A. Author" --acknowledge fails-after-jpeg --embeddings
    """
    from benchmark.core.errors import EXIT_DATA, EXIT_OK
    from results.records.atomic import publish
    from results.records.store import read_record_files
    from results.submission.folder import submitted_files, write_submission
    from results.submission.joined_board import board_problems
    from results.submission.pull_request import pull_request_text

    found = read_record_files([run_dir])
    records = [record for _, record in found]
    published = _published()
    problems = _problems(run_dir, records, by, acknowledge or [])
    of_board = board_problems(records, published, is_reproduction=reproduction)
    problems += [one for one in of_board if not (new_board and "--new-board" in one.mend)]
    refused = [one for one in problems if one.grade != "note"]
    if refused:
        for one in refused:
            show_error(one.what, one.mend)
        if json_:
            write_json({"submitted": None, "problems": [vars(one) for one in refused]})
        return EXIT_DATA
    submission = _submission(by, acknowledge or [], reproduction)
    target = output or _home() / _slug(records)
    further = _further(run_dir, found, embeddings)
    write_submission(target, submitted_files(found), further, submission)
    text = pull_request_text(f"results/published/{target.name}", submission, records, problems)
    request = publish(run_dir / PULL_REQUEST, text.encode())
    if json_:
        write_json({"submitted": str(target), "pull_request": str(request), "problems": []})
    else:
        write_line(f"{text}\nwrote {target}\nwrote {request}")
    return EXIT_OK


def _problems(
    run_dir: Path, records: Sequence[Record], by: str, acknowledged: Sequence[str]
) -> list[Problem]:
    from benchmark.runner.examined import examine_all
    from results.submission.card_checks import card_problems
    from results.submission.problem import Problem
    from results.submission.submission_file import unacknowledged

    problems = [
        Problem(f"{one.path}: {p.what}", p.mend) if p.grade != "note" else p
        for one in examine_all([run_dir])
        for p in one.problems
    ]
    if not records:
        problems.append(Problem(f"no records in {run_dir}", "give the --output folder of a run"))
    if not by.strip() or not by.isprintable():
        problems.append(Problem("nobody is named who submits", 'say --by "NAME"'))
    problems += card_problems(records)
    problems += unacknowledged(records, acknowledged)
    return problems


def _submission(by: str, acknowledged: Sequence[str], is_reproduction: bool) -> Submission:
    from datetime import UTC, datetime

    from benchmark.core.provenance import environment
    from results.submission.submission_file import Submission

    return Submission(
        by=by.strip(),
        date=datetime.now(UTC).date(),
        acknowledged=sorted(set(acknowledged)),
        is_reproduction=is_reproduction,
        environment=environment("cpu"),
        files={},
    )


def _further(
    run_dir: Path, found: Sequence[tuple[Path, Record]], embeddings: bool
) -> dict[str, bytes]:
    """Return the contents of what lies beside the records: configuration and embeddings."""
    from benchmark.runner.kept_embeddings import kept_embeddings
    from benchmark.runner.output import OutputFolder
    from benchmark.runner.recomputed import CONFIG_FILE, published_config
    from results.submission.sampled_embeddings import sampled_path

    further = {}
    if (config := OutputFolder(run_dir).config).is_file():
        further[CONFIG_FILE] = published_config(config).encode()
    for path, record in found if embeddings else ():
        further[sampled_path(path).name] = kept_embeddings(run_dir, record).npz()
    return further


def _slug(records: Sequence[Record]) -> str:
    """Return a name for the folder: the defenses, the data set, and what is theirs alone."""
    import hashlib

    names = "-".join(dict.fromkeys(one.defense.name for one in records))
    ids = " ".join(sorted(one.id for one in records))
    digest = hashlib.sha256(ids.encode()).hexdigest()[:8]
    plain = re.sub(r"[^A-Za-z0-9._+-]+", "-", f"{names[:60]}--{records[0].dataset}")
    return f"{plain.strip('.-')}--{digest}"


def _home() -> Path:
    import results

    return Path(results.__file__).parent / "published"


def _published() -> list[Record]:
    from results.records.store import read_records

    return read_records([_home()]) if _home().is_dir() else []
