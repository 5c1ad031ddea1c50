"""``describe``: what is behind a name: card, paper, options with types, defaults and meaning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.cli.kinds import KINDS, kind_named, registry_of
from benchmark.cli.options import Json

if TYPE_CHECKING:
    from pydantic import BaseModel

Rows = list[dict[str, str]]


def describe(
    kind: Annotated[str, typer.Argument(help="What it is.", metavar="|".join(KINDS))],
    name: Annotated[str, typer.Argument(help="Its name.")],
    plugin: Annotated[
        list[Path] | None,
        typer.Option(help="Python file that registers it.", metavar="FILE.py"),
    ] = None,
    json_: Json = False,
) -> None:
    """Show what is behind a name: what it is, its paper, and its options.

    Examples:
      python -m benchmark describe defense ddid

      python -m benchmark describe preset embedded
    """
    from benchmark.core.registry import load_plugin_file

    for path in plugin or ():
        load_plugin_file(path)
    chosen = kind_named(kind)
    if chosen == "presets":
        from benchmark.config.presets import preset_text, read_preset

        text, content = preset_text(name), read_preset(name)
        if json_:
            _show_json({"kind": chosen, "name": name, "content": content})
        else:
            typer.echo(text, nl=False)
        return
    document = describe_plugin(chosen, registry_of(chosen).get(name))
    if json_:
        _show_json(document)
    else:
        _print(document)


def describe_plugin(kind: str, plugin: type[Any]) -> dict[str, Any]:
    """Return what is known of a plugin's class as plain values."""
    import inspect

    card: Any = getattr(plugin, "card", None)
    document: dict[str, Any] = {
        "kind": kind,
        "name": plugin.name,
        "summary": (inspect.getdoc(plugin) or "").split("\n", 1)[0],
        "card": card.model_dump() if hasattr(card, "model_dump") else {},
        "options": option_rows(plugin.Config),
        "source": inspect.getfile(plugin),
    }
    threat = getattr(plugin, "threat", None)
    if threat is not None:
        document["threat"] = threat.model_dump()
    trained_against = getattr(plugin, "trained_against", None)
    if trained_against is not None:
        document["trained_against"] = list(trained_against)
    return document


def option_rows(model: type[BaseModel], prefix: str = "") -> Rows:
    """Return key, type, default and meaning of each option; sections are spelled with dots."""
    from pydantic import BaseModel

    rows: Rows = []
    for key, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            rows += option_rows(annotation, f"{prefix}{key}.")
            continue
        name = annotation.__name__ if isinstance(annotation, type) else str(annotation)
        default = repr(field.get_default(call_default_factory=True))
        rows.append(
            {
                "key": prefix + key,
                "type": name.replace("typing.", ""),
                "default": "required" if field.is_required() else default,
                "meaning": " ".join((field.description or "").split()),
            }
        )
    return rows


def _show_json(document: dict[str, Any]) -> None:
    from benchmark.cli.screen import write_json

    write_json(document)


def _print(document: dict[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.print(Text(f"{document['name']}: {document['summary']}", style="bold"))
    lines = dict(document["card"])
    if "threat" in document:
        lines["threat"] = ", ".join(f"{k} {v}" for k, v in document["threat"].items())
    if document.get("trained_against"):
        lines["trained against"] = ", ".join(document["trained_against"])
    lines["source"] = document["source"]
    for key, value in lines.items():
        if value:
            console.print(Text(f"{key}: {value}"), soft_wrap=key == "source")
    if not document["options"]:
        console.print("no options")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("Option", "Type", "Default", "Meaning"):
        table.add_column(title, overflow="fold")
    for row in document["options"]:
        table.add_row(*(Text(row[key]) for key in ("key", "type", "default", "meaning")))
    console.print(table)
