"""The command line application and its only way out: an exit code, and two lines on an error."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from benchmark.cli import data
from benchmark.cli.argv import spread
from benchmark.cli.board import board
from benchmark.cli.check import check
from benchmark.cli.compare import compare
from benchmark.cli.describe import describe
from benchmark.cli.doctor import doctor
from benchmark.cli.experiment import experiment
from benchmark.cli.list import list_names
from benchmark.cli.plan import plan
from benchmark.cli.report import report
from benchmark.cli.run import run
from benchmark.cli.validate import validate

PROGRAM = "python -m benchmark"

app = typer.Typer(
    name="benchmark",
    help="Robustness benchmark for person re-identification under adversarial attack.",
    epilog=f"Start with: {PROGRAM} run --defense ddid",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("run")(run)
app.command("plan")(plan)
app.command("experiment")(experiment)
app.command("list")(list_names)
app.command("describe")(describe)
app.add_typer(data.app, name="data")
app.command("board")(board)
app.command("compare")(compare)
app.command("check")(check)
app.command("validate")(validate)
app.command("doctor")(doctor)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    sys.exit(exit_code(sys.argv[1:] if arguments is None else arguments))


def exit_code(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; errors become two lines on stderr."""
    try:
        code = app(spread(arguments), standalone_mode=False, prog_name=PROGRAM)
    except BaseException as error:
        return report(error, as_json="--json" in arguments)
    return code if isinstance(code, int) else 0
