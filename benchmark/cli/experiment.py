"""``experiment``: answer a question of a paper with the same options as `run`."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from benchmark.cli import completion
from benchmark.cli import options as o
from benchmark.cli.errors import InterruptedRunError, show_error
from benchmark.cli.screen import write_json

if TYPE_CHECKING:
    from benchmark.experiments.experiment import Experiment
    from benchmark.experiments.run_experiment import ExperimentOutcome

Name = Annotated[
    str,
    typer.Argument(
        help="Which; see: list experiments.",
        metavar="NAME",
        show_default=False,
        autocompletion=completion.experiments,
    ),
]
PREFIX = "experiment."


class ExperimentCommand(TyperCommand):
    """The command, whose help ends with the names there are."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, without importing any experiment."""
        from benchmark.core.registry import EXPERIMENTS

        names = [f"{name}: {EXPERIMENTS.summary(name)}" for name in EXPERIMENTS.names()]
        self.epilog = "\n\n".join(names)
        super().format_help(ctx, formatter)


def experiment(name: str, **options: Any) -> int:
    """Run an experiment: a table or figure of a paper, measured anew.

    Takes the options of `run`, and trains through the same cells: what is finished in the output
    folder is not computed again. Options of the experiment itself: --set experiment.KEY=VALUE.

    Examples:
      python -m benchmark list experiments

      python -m benchmark experiment ablation --seed 0 1 2

      python -m benchmark experiment tune --defense ddid --set experiment.candidates=FILE.yaml
    """
    from benchmark.core.progress_choice import make_progress
    from benchmark.core.registry import EXPERIMENTS, load_plugin_file

    for path in options["plugin"] or ():
        load_plugin_file(path)
    EXPERIMENTS.get(name)  # a wrong name is told before torch is imported
    from benchmark.experiments.run_experiment import experiment_named, run_experiment, with_defaults

    chosen = experiment_named(name)
    own = [text for text in options["set_"] or () if text.startswith(PREFIX)]
    rest = [text for text in options["set_"] or () if not text.startswith(PREFIX)]
    question = chosen(chosen.parse_config(_values(own)))
    given, assignments = with_defaults(chosen, {**options, "set_": rest})
    config = o.read_config({**given, "set_": assignments})
    try:
        outcome = run_experiment(question, config, make_progress())
    except KeyboardInterrupt as error:
        raise InterruptedRunError("stopped; run the same command again to go on") from error
    _show(question, outcome, options["json_"])
    return _exit_code(outcome)


experiment.__signature__ = inspect.signature(experiment).replace(  # type: ignore[attr-defined]
    parameters=[
        inspect.Parameter("name", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Name),
        *o.run_parameters(),
    ]
)
experiment.__annotations__ = {}  # typer reads the signature above


def _values(assignments: list[str]) -> dict[str, Any]:
    from benchmark.config.assignments import assign, parse_assignment

    values: dict[str, Any] = {}
    for text in assignments:
        one = parse_assignment(text.removeprefix(PREFIX))
        assign(values, one.path, one.value)
    return values


def _show(question: Experiment, outcome: ExperimentOutcome, json_: bool) -> None:
    if json_:
        files = [str(path) for path in outcome.files]
        write_json({**outcome.document, "files": files, "exit_code": _exit_code(outcome)})
    else:
        _print(question, outcome)
    for failure in outcome.failures:
        show_error(f"{failure.what}: {failure.error.what}", failure.error.hint)


def _print(question: Experiment, outcome: ExperimentOutcome) -> None:
    from rich.console import Console
    from rich.text import Text

    from results.render.console import fitted_tables

    console = Console(highlight=False)
    console.print(Text(question.card.title or question.name, style="bold"))
    for table in outcome.findings.tables:
        console.print(Text(f"\n{table.title}"))
        for part in fitted_tables(table.head, table.labels, table.filled, console.width):
            console.print()
            console.print(part)
        if table.note:
            console.print()
            console.print(Text(table.note, style="dim"))
    for path in outcome.files:
        console.print(f"wrote {path}", markup=False, soft_wrap=True)


def _exit_code(outcome: ExperimentOutcome) -> int:
    from benchmark.core.errors import EXIT_OK, EXIT_PLUGIN

    return EXIT_PLUGIN if outcome.failures else EXIT_OK
