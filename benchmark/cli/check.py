"""``check``: does a defense or an attack, built in or of one's own, keep its contract?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.cli.kinds import registry_of
from benchmark.cli.options import Device, Json
from benchmark.cli.paths import absolute
from benchmark.cli.screen import write_json, write_line

if TYPE_CHECKING:
    from benchmark.checks.contract import CheckResult

CHECKED = ("defense", "attack")
STYLES = {"ok": "green", "warn": "yellow", "FAIL": "bold red"}


def check(
    kind: Annotated[str, typer.Argument(help="What it is.", metavar="|".join(CHECKED))],
    name: Annotated[str, typer.Argument(help="Its name.")],
    plugin: Annotated[
        list[Path] | None,
        typer.Option(help="Python files that register it.", metavar="FILE.py …", parser=absolute),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Options of it, such as attack.steps=4.", metavar="KEY=VALUE …"),
    ] = None,
    device: Device = None,
    json_: Json = False,
) -> int:
    """Run the contract suite of a defense or an attack, and the canary of an attack.

    Exits with 4 if it breaks its contract or is too weak on the canary.

    Examples:
      python -m benchmark check attack metric-pgd

      python -m benchmark check defense my-defense --plugin my_defense.py
    """
    from benchmark.core.errors import EXIT_OK, EXIT_PLUGIN, unknown_name
    from benchmark.core.registry import load_plugin_file

    if kind not in CHECKED:
        raise unknown_name("kind", kind, CHECKED)
    for path in plugin or ():
        load_plugin_file(path)
    registry = registry_of(f"{kind}s")
    chosen = registry.get(name)
    results = _results(kind, chosen, _options(kind, name, set_ or []), device or "auto")
    code = EXIT_OK if all(result.passed for result in results) else EXIT_PLUGIN
    if json_:
        from dataclasses import asdict

        checks = [asdict(result) for result in results]
        write_json({"kind": kind, "name": name, "exit_code": code, "checks": checks})
    else:
        _print(f"{kind} {name}", results)
    return code


def _options(kind: str, name: str, assignments: list[str]) -> dict[str, Any]:
    """Return the options that assignments such as ``attack.steps=4`` give to the plugin.

    Raises:
        UsageError: An assignment is for something else.
    """
    from benchmark.config.assignments import assign, parse_assignment, plugin_options
    from benchmark.core.errors import UsageError

    options: dict[str, Any] = {}
    for text in assignments:
        assignment = parse_assignment(text)
        if assignment.path[0] != kind or not assignment.is_for_plugins:
            raise UsageError(
                f"--set {assignment.key}: not an option of the {kind}", f"write {kind}.KEY=VALUE"
            )
        for _, path in plugin_options(assignment, registry_of(f"{kind}s"), [name]):
            assign(options, path, assignment.value)
    return options


def _results(
    kind: str, plugin: type[Any], options: dict[str, Any], device: str
) -> list[CheckResult]:
    import tempfile

    from benchmark.checks.attack_contract import check_attack
    from benchmark.checks.defense_contract import check_defense
    from benchmark.core.device import choose_device
    from benchmark.core.seeding import seed_everything

    seed_everything(0)
    suite = check_attack if kind == "attack" else check_defense
    with tempfile.TemporaryDirectory() as work_dir:
        return suite(plugin, options, policy=choose_device(device), work_dir=Path(work_dir))


def _mark(result: CheckResult) -> str:
    if not result.passed:
        return "FAIL"
    return "warn" if result.warns else "ok"


def _print(title: str, results: list[CheckResult]) -> None:
    """Show a table on a terminal, and one line a check elsewhere."""
    import sys

    failed = sum(not result.passed for result in results)
    verdict = f"{failed} of {len(results)} checks failed" if failed else "keeps its contract"
    if not sys.stdout.isatty():
        for result in results:
            write_line(f"{_mark(result):<5} {result.name}: {result.detail}")
        write_line(f"{title}: {verdict}")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("check", "", "seen", title=title)
    for result in results:
        mark = _mark(result)
        table.add_row(result.name, Text(mark, STYLES[mark]), Text(result.detail))
    console = Console()
    console.print(table)
    console.print(Text(f"{title}: {verdict}", "bold red" if failed else "bold green"))
