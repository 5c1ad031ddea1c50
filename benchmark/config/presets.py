"""Presets: named YAML files that ship with the benchmark, and a user's own that build on them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from benchmark.config.yaml_text import read_yaml, yaml_problem
from benchmark.core.errors import UsageError, unknown_name

DEFAULT_PRESET = "embedded"
ABOUT = ("description", "default_for")
"""Keys that say what a preset is for and are no part of a configuration."""
_SUFFIXES = (".yaml", ".yml")


def preset_names() -> list[str]:
    """Return the names of the presets that ship with the benchmark."""
    folder = files("benchmark.config").joinpath("presets")
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name[-5:] == ".yaml"
    )


def preset_description(name: str) -> str:
    """Return the one-line description of a preset."""
    return str(read_layer(name).get("description", ""))


def preset_text(name: str) -> str:
    """Return the YAML text of a preset that ships with the benchmark.

    Raises:
        UsageError: There is none of this name.
    """
    if name not in preset_names():
        raise unknown_name("preset", name, preset_names())
    return files("benchmark.config").joinpath("presets", f"{name}.yaml").read_text("utf-8")


def read_layer(name: str) -> dict[str, Any]:
    """Return the content of one preset or YAML file, without what it builds on.

    Raises:
        UsageError: It does not exist or is not a YAML mapping with text keys.
    """
    is_file = name.endswith(_SUFFIXES)
    text = _read_file(Path(name)) if is_file else preset_text(name)
    try:
        content = read_yaml(text)
    except yaml.YAMLError as error:
        problem, line = yaml_problem(error)
        where = f"{name}, line {line}" if line else name
        raise UsageError(f"{where}: not valid YAML: {problem}", "mend the file") from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise UsageError(f"{name} is not a mapping of keys to values", "write it as KEY: VALUE")
    return content


def read_preset(name: str) -> dict[str, Any]:
    """Return a preset merged over everything it builds on (its own key ``preset``).

    Raises:
        UsageError: A file is missing or broken, or presets build on each other in a circle.
    """
    chain: list[dict[str, Any]] = []
    seen: list[str] = []
    current: str | None = name
    while current is not None:
        if current in seen:
            raise UsageError(
                f"presets build on each other in a circle: {' → '.join([*seen, current])}",
                "remove one 'preset' key",
            )
        seen.append(current)
        layer = read_layer(current)
        for key in ABOUT:
            layer.pop(key, None)
        below = layer.pop("preset", None)
        chain.append(layer)
        if below is not None and not isinstance(below, str):
            raise UsageError(f"{current}: preset = {below!r} is not a name", "name one preset")
        current = below
    merged: dict[str, Any] = {}
    for layer in reversed(chain):
        merged = merge(merged, layer)
    return merged


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Return `above` over `below`: sections are merged, values and lists replaced."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _read_file(path: Path) -> str:
    try:
        return path.expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        if isinstance(error, RuntimeError):
            reason = "there is no such home folder"
        raise UsageError(
            f"the configuration file {path} cannot be read: {reason}",
            f"check the path, or use a preset: {', '.join(preset_names())}",
        ) from error
