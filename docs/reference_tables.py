"""Tables of options for the pages of docs/reference/."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import typer

from benchmark.cli.app import PROGRAM, app
from benchmark.cli.describe import option_rows
from benchmark.config.schema import RunConfig
from benchmark.core.reranking import Reranking
from benchmark.models.specs.config import EncoderConfig

IN_WORDS = {"cache_dir": "the user's cache", "data_root": "none", "output": "runs"}
"""Keys whose default is another one on every machine, or no plain value."""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [" | ".join(map(_cell, row)) for row in rows]
    rule = "|".join(["---"] * len(head))
    return "\n".join([f"| {' | '.join(head)} |", f"|{rule}|", *(f"| {line} |" for line in lines)])


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def option_table(rows: Iterable[dict[str, str]], prefix: str = "") -> str:
    """Return options with type, default and meaning; keys as in ``--set``."""
    cells = [
        (f"`{prefix}{row['key']}`", f"`{row['type']}`", f"`{row['default']}`", row["meaning"])
        for row in rows
    ]
    return table(("option", "type", "default", "meaning"), cells)


def command_page() -> str:
    """Return every command with its options, as its ``--help`` has them."""
    sections = [
        "# Every option",
        f"Commands are `{PROGRAM} COMMAND`, or `reid-robustbench COMMAND` where it is installed. "
        "`…` takes several values: `--eps 2 4 8`. The keys of a run are [below](#keys-of-a-run).",
    ]
    run_options: list[str] | None = None
    for name, command in _commands("", typer.main.get_command(app)):
        about = re.split(r"\n\s*Examples?:", command.help or "")[0]
        options = [one for one in command.params if one.param_type_name == "option"]
        names = [one.name for one in options]
        sections += [f"## {name}", " ".join(about.split())]
        if run_options is not None and names == run_options:
            sections.append("The options of [run](#run).")
            continue
        run_options = names if name == "run" else run_options
        rows = [(f"`{_spelled(one)}`", one.help or "") for one in options]
        arguments = [one for one in command.params if one.param_type_name != "option"]
        rows = [(f"`{_argument(one)}`", getattr(one, "help", "") or "") for one in arguments] + rows
        sections.append(table(("option", "meaning"), rows))
    return "\n\n".join(sections)


def _commands(prefix: str, command: Any) -> Iterable[tuple[str, Any]]:
    for name, child in getattr(command, "commands", {}).items():
        if getattr(child, "commands", None):
            yield from _commands(f"{prefix}{name} ", child)
        else:
            yield f"{prefix}{name}", child


def _argument(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _spelled(option: Any) -> str:
    name = max(option.opts, key=len)
    return name if option.is_flag else f"{name} {option.metavar or option.name.upper()}"


def run_keys() -> str:
    """Return the keys of a run's configuration."""
    rows = option_rows(RunConfig)
    for row in rows:
        row["default"] = IN_WORDS.get(row["key"], row["default"])
    note = (
        "Each is a key of a preset or a YAML file, and of `--set KEY=VALUE`. Options of plugins "
        "stand with them: [attacks](attacks.md), [defenses](defenses.md), "
        "[data sets](datasets.md), [experiments](experiments.md)."
    )
    parts = ["## Keys of a run", note, option_table(rows), "## Keys of an encoder"]
    parts += ["What the section `encoder` holds: [An encoder of your own](../pretrained.md)."]
    parts += [option_table(option_rows(EncoderConfig), "encoder."), "## Keys of re-ranking"]
    parts += [
        "What the section `evaluation.rerank` holds: [Protocols](../protocols.md#re-ranking)."
    ]
    return "\n\n".join([*parts, option_table(option_rows(Reranking), "evaluation.rerank.")])
