"""``describe``: what is behind a name: card, paper, options with types, defaults and meaning."""

from __future__ import annotations

import sys
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import typer

from benchmark.cli import completion
from benchmark.cli.kinds import KINDS, kind_named, registry_of
from benchmark.cli.options import Json, kind_argument
from benchmark.cli.paths import absolute
from benchmark.cli.references import publications
from benchmark.cli.screen import write_json
from benchmark.cli.zoo_text import describe_zoo

if TYPE_CHECKING:
    from pydantic import BaseModel

Rows = list[dict[str, str]]


def describe(
    kind: Annotated[str, kind_argument("What it is.", KINDS)],
    name: Annotated[str, typer.Argument(help="Its name.", autocompletion=completion.names_of_kind)],
    plugin: Annotated[
        list[Path] | None,
        typer.Option(help="Python files that register it.", metavar="FILE.py …", parser=absolute),
    ] = None,
    json_: Json = False,
) -> None:
    """Show what is behind a name: what it is, its paper, and its options.

    Examples:
      python -m benchmark describe defense ddid

      python -m benchmark describe preset embedded

      python -m benchmark describe zoo ddid
    """
    from benchmark.core.registry import load_plugin_file

    for path in plugin or ():
        load_plugin_file(path)
    chosen = kind_named(kind)
    if chosen == "presets":
        from benchmark.config.presets import preset_text, read_preset

        text, content = preset_text(name), read_preset(name)
        if json_:
            write_json({"kind": chosen, "name": name, "content": content})
        else:
            sys.stdout.write(text)
        return
    if chosen == "zoo":
        describe_zoo(name, json_)
        return
    document = describe_plugin(chosen, registry_of(chosen).get(name))
    if json_:
        write_json(document)
    else:
        _print(document)


def describe_plugin(kind: str, plugin: type[Any]) -> dict[str, Any]:
    """Return what is known of a plugin's class as plain values."""
    import inspect

    from benchmark.core.references import resolved

    card: Any = getattr(plugin, "card", None)
    document: dict[str, Any] = {
        "kind": kind,
        "name": plugin.name,
        "summary": (inspect.getdoc(plugin) or "").split("\n", 1)[0],
        "card": card.model_dump(mode="json") if hasattr(card, "model_dump") else {},
        "options": option_rows(plugin.Config),
        "source": inspect.getfile(plugin),
    }
    if document["card"]:
        papers = resolved(card.references)
        document["card"]["references"] = [one.model_dump(mode="json") for one in papers]
    threat = getattr(plugin, "threat", None)
    if threat is not None:
        document["threat"] = threat.model_dump()
    trained_against = getattr(plugin, "trained_against", None)
    if trained_against is not None:
        document["trained_against"] = [*trained_against, *plugin.also_seen]
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
        default = repr(field.get_default(call_default_factory=True))
        rows.append(
            {
                "key": prefix + key,
                "type": type_name(annotation),
                "default": "required" if field.is_required() else default,
                "meaning": _meaning(model, key),
            }
        )
    return rows


def type_name(annotation: Any) -> str:
    """Return a type as a user reads it, without its constraints."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_name(arguments[0])
    if origin in (Union, UnionType):
        return " | ".join(type_name(argument) for argument in arguments)
    if origin is Literal:
        return " | ".join(map(repr, arguments))
    if origin is not None:
        inner = ", ".join("…" if one is Ellipsis else type_name(one) for one in arguments)
        return f"{origin.__name__}[{inner}]"
    if annotation is type(None):
        return "None"
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _meaning(model: type[BaseModel], key: str) -> str:
    """Return what an option means; an override without words inherits them."""
    for base in model.__mro__:
        fields = getattr(base, "model_fields", {})
        if key in fields and fields[key].description:
            return " ".join(fields[key].description.split())
    return ""


def _print(document: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    from benchmark.core.references import Reference

    console = Console(highlight=False)
    console.print(Text(f"{document['name']}: {document['summary']}", style="bold"))
    lines = dict(document["card"])
    papers = publications(Reference.model_validate(one) for one in lines.pop("references", ()))
    if "threat" in document:
        lines["threat"] = ", ".join(f"{k} {v}" for k, v in document["threat"].items())
    if document.get("trained_against"):
        lines["trained against"] = ", ".join(document["trained_against"])
    lines["source"] = document["source"]
    for key, value in lines.items():
        if value:
            console.print(Text(f"{key}: {value}"), soft_wrap=key == "source")
        if key == "paper":
            for paper in papers:
                console.print(Text(f"reference: {paper.line}"), soft_wrap=True)
    if not document["options"]:
        console.print("no options")
        return
    for row in document["options"]:
        console.print()
        head = Text(row["key"], style="bold").append(
            f": {row['type']} = {row['default']}", "not bold"
        )
        console.print(head, soft_wrap=True)
        if row["meaning"]:
            console.print(Padding(Text(row["meaning"]), (0, 0, 0, 4)))
