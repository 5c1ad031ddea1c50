"""``check``: does a plugin, built in or of one's own, keep its contract?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.cli import completion
from benchmark.cli.kinds import registry_of
from benchmark.cli.options import DataRoot, Device, Json, kind_argument
from benchmark.cli.paths import absolute
from benchmark.cli.screen import write_json, write_line
from benchmark.scaffold.package_names import SCAFFOLD_KINDS

if TYPE_CHECKING:
    from benchmark.checks.contract import CheckResult

STYLES = {"ok": "green", "warn": "yellow", "FAIL": "bold red"}


def check(
    kind: Annotated[str, kind_argument("What it is.", SCAFFOLD_KINDS)],
    name: Annotated[str, typer.Argument(help="Its name.", autocompletion=completion.names_of_kind)],
    plugin: Annotated[
        list[Path] | None,
        typer.Option(help="Python files that register it.", metavar="FILE.py …", parser=absolute),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Options of it, such as attack.steps=4.", metavar="KEY=VALUE …"),
    ] = None,
    data_root: DataRoot = None,
    device: Device = None,
    json_: Json = False,
) -> int:
    """Run the contract suite of a plugin, and the canary of an attack.

    Exits with 4 if it breaks its contract or is too weak on the canary.

    Examples:
      python -m benchmark check attack metric-pgd

      python -m benchmark check defense my-defense --plugin my_defense.py

      python -m benchmark check dataset my-dataset --data-root DIR
    """
    from benchmark.config.data_roots import data_roots
    from benchmark.core.errors import EXIT_OK, EXIT_PLUGIN, unknown_name
    from benchmark.core.registry import load_plugin_file

    if kind not in SCAFFOLD_KINDS:
        raise unknown_name("kind", kind, SCAFFOLD_KINDS)
    for path in plugin or ():
        load_plugin_file(path)
    registry_of(f"{kind}s").get(name)  # a wrong name is told before torch is imported
    options = _options(kind, name, set_ or [])
    roots = data_roots(data_root)
    from benchmark.api.check_contract import contract_results

    results = contract_results(kind, name, options, roots=roots, device=device or "auto")
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
        if assignment.path[0] != kind or len(assignment.path) == 1:
            raise UsageError(
                f"--set {assignment.key}: not an option of the {kind}", f"write {kind}.KEY=VALUE"
            )
        for _, path in plugin_options(assignment, registry_of(f"{kind}s"), [name]):
            assign(options, path, assignment.value)
    return options


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
