"""``run``: train, attack, record, leaderboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmark.cli import options as o
from benchmark.cli.errors import InterruptedRunError, show_error
from benchmark.cli.screen import write_json

if TYPE_CHECKING:
    from benchmark.config.schema import RunConfig
    from benchmark.runner.run import RunOutcome


@o.takes_run_options
def run(config: RunConfig, json_: bool) -> int:
    """Train defenses, attack them, and print the leaderboard.

    What is finished is never computed again: after an interruption, give the same command.

    Examples:
      python -m benchmark run --defense ddid

      python -m benchmark run --defense none,metric-at,ddid --seed 0 1 2 --eps 2 4 8

      python -m benchmark run --defense metric-at --intent impersonate --attack fna metric-pgd

      python -m benchmark run --defense none,metric-at --protocol unseen

      python -m benchmark run --defense my-defense --plugin my_defense.py --preset smoke

      python -m benchmark run --defense ddid --dataset market1501 --data-root DIR --preset full

      python -m benchmark run --preset zoo --attack my-attack --plugin my_attack.py
    """
    from benchmark.core.progress_choice import make_progress
    from benchmark.runner.run import run_benchmark

    try:
        outcome = run_benchmark(config, make_progress())
    except KeyboardInterrupt as error:
        raise InterruptedRunError("stopped; run the same command again to go on") from error
    code = _exit_code(config, outcome)
    if json_:
        _write_json(config, outcome, code)
    else:
        _print_board(outcome, config.preset)
    for failure in outcome.failures:
        show_error(f"{failure.cell.label}: {failure.error.what}", failure.error.hint)
    if outcome.failures:
        show_error(
            f"rows that need what failed have no record; all else is kept in {config.output}",
            "mend it or leave it out, and run the same command again",
        )
    if code == 5:
        show_error("sanity flags were raised", "see the lines above, or run without --strict")
    return code


def _exit_code(config: RunConfig, outcome: RunOutcome) -> int:
    from benchmark.core.errors import EXIT_FLAGS, EXIT_OK, EXIT_PLUGIN

    if outcome.failures:
        return EXIT_PLUGIN
    return EXIT_FLAGS if config.strict and outcome.flags else EXIT_OK


def _print_board(outcome: RunOutcome, preset: str) -> None:
    from rich.console import Console

    from benchmark.config.presets import preset_description, preset_names
    from benchmark.runner.zoo_places import zoo_places
    from results.render.among_published import print_among_published
    from results.render.attack_place import print_places
    from results.render.console import print_leaderboard

    console = Console()
    if outcome.boards:
        print_leaderboard(outcome.boards, console)
        print_among_published(outcome.boards, outcome.published, console)
    print_places(zoo_places(outcome.records), console)
    if preset in preset_names():
        about = f"preset {preset}: {preset_description(preset)}"
        console.print(about, markup=False, highlight=False)
    for line in outcome.flags:
        console.print(f"flag: {line}", markup=False, highlight=False)
    for path in (*(path for _, path in outcome.records), *outcome.reports, *outcome.board):
        console.print(f"wrote {path}", markup=False, highlight=False, soft_wrap=True)


def _write_json(config: RunConfig, outcome: RunOutcome, code: int) -> None:
    from benchmark.runner.zoo_places import zoo_places

    document: dict[str, Any] = {
        "output": str(config.output),
        "records": [record.model_dump(mode="json") for record, _ in outcome.records],
        "record_files": [str(path) for _, path in outcome.records],
        "reports": [str(path) for path in outcome.reports],
        "leaderboard": [str(path) for path in outcome.board],
        "places": [one.as_json() for one in zoo_places(outcome.records).places],
        "flags": outcome.flags,
        "failures": [
            {"cell": f.cell.label, "what": f.error.what, "hint": f.error.hint}
            for f in outcome.failures
        ],
        "exit_code": code,
    }
    write_json(document)
