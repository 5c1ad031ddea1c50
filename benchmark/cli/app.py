"""The command line application and its only way out: an exit code, and two lines on an error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from benchmark import __version__
from benchmark.cli import data
from benchmark.cli.argv import before_separator, spread
from benchmark.cli.board import board
from benchmark.cli.check import check
from benchmark.cli.compare import compare
from benchmark.cli.describe import describe
from benchmark.cli.doctor import doctor
from benchmark.cli.errors import report_error, report_unwritten
from benchmark.cli.experiment import ExperimentCommand, experiment
from benchmark.cli.list import list_names
from benchmark.cli.new import new
from benchmark.cli.plan import plan
from benchmark.cli.report import report
from benchmark.cli.run import run
from benchmark.cli.screen import take_document, write_line
from benchmark.cli.streams import (
    drop_unusable_sizes,
    open_closed_streams,
    print_to_stderr,
    standard_streams,
)
from benchmark.cli.submit import submit
from benchmark.cli.validate import validate
from benchmark.core.errors import EnvironmentProblem

PROGRAM = "python -m benchmark"
SCRIPT = "reid-robustbench"
"""The installed command; shells complete it alone, as they go by the name of a program."""

app = typer.Typer(
    name="benchmark",
    help="Robustness benchmark for person re-identification under adversarial attack.",
    epilog=f"Start with: {PROGRAM} run --defense ddid",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("run")(run)
app.command("plan")(plan)
app.command("experiment", cls=ExperimentCommand)(experiment)
app.command("list")(list_names)
app.command("describe")(describe)
app.add_typer(data.app, name="data")
app.command("board")(board)
app.command("compare")(compare)
app.command("report")(report)
app.command("check")(check)
app.command("new")(new)
app.command("validate")(validate)
app.command("submit")(submit)
app.command("doctor")(doctor)


def _tell_version(wanted: bool) -> None:
    if wanted:
        write_line(f"{SCRIPT} {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_tell_version, is_eager=True),
    ] = False,
) -> None:
    """Hold the options that need no command."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    open_closed_streams()
    _see_current_folder()
    code = exit_code(given)
    if _wants_document(given):
        print_to_stderr()  # what plugins leave to the end of the process
    sys.exit(code)


def exit_code(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; errors become two lines on stderr."""
    as_json = _wants_document(arguments)
    drop_unusable_sizes()
    with standard_streams(for_document=as_json) as stdout:
        try:
            _check_current_folder()
            command = typer.main.get_command(app)
            code = command.main(
                spread(arguments, command), prog_name=_program(arguments), standalone_mode=False
            )
            code = code if isinstance(code, int) else 0
        except BaseException as error:
            code = report_error(error, as_json=as_json)
        stdout.stream.write(take_document())
        return report_unwritten(stdout.error, code)


def _wants_document(arguments: Sequence[str]) -> bool:
    return "--json" in before_separator(arguments)


def _program(arguments: Sequence[str]) -> str:
    """Return the name of the program for its help; completion is of the installed command."""
    is_script = Path(sys.argv[0]).name == SCRIPT
    completes = any("-completion" in argument for argument in arguments)
    return SCRIPT if is_script or completes else PROGRAM


def _check_current_folder() -> None:
    try:
        Path.cwd()
    except OSError as error:
        raise EnvironmentProblem(
            "the current folder was removed", "change to a folder that exists"
        ) from error


def _see_current_folder() -> None:
    """Find modules in the current folder, as ``python -m`` does, after all that is installed."""
    with suppress(OSError):  # it was removed, which the command tells
        folder = str(Path.cwd())
        if folder not in sys.path and not sys.flags.safe_path:
            sys.path.append(folder)
