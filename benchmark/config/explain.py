"""Turn a failed validation of the configuration into one line and its hint."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from benchmark.core.errors import UsageError


def explain(error: ValidationError, model: type[BaseModel], where: str = "") -> UsageError:
    """Build the error for the first problem of a validation.

    Args:
        error: What pydantic raised.
        model: The model that was validated.
        where: The file or option the values came from; empty if they came from several.
    """
    first = error.errors()[0]
    *sections, last = first["loc"] or ("",)
    location = [part for part in sections if not str(part).endswith("]")]
    if first["type"] == "extra_forbidden" or not str(last).endswith("]"):
        location.append(last)  # the name of a validator ends so, and a key of a user may
    key = ".".join(str(part) for part in location)
    prefix = f"{where}: " if where else ""
    if first["type"] == "extra_forbidden":
        known = known_keys(model, location[:-1])
        return unknown_key(prefix + "unknown key", key, str(location[-1]), known)
    if first["type"] == "missing" and key == "defense":
        return UsageError("no defense was chosen", "name one or more, such as --defense ddid")
    if first["type"] == "missing" and key == "encoder.spec":
        return UsageError(
            f"{prefix}the encoder of the weights is not named",
            "name it, such as --encoder torchreid:osnet_x0_25",
        )
    if first["type"] == "missing":
        return UsageError(f"{prefix}{key} is missing", f"set {key}")
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    value = first.get("input")
    given = "" if isinstance(value, dict) else f" = {value!r}"
    return UsageError(f"{prefix}{key}{given}: {message}", f"correct {key} and run again")


def unknown_key(what: str, key: str, part: str, known: list[str]) -> UsageError:
    """Build the error for a key that does not exist, with the closest ones.

    Args:
        what: Start of the line.
        key: The whole dotted key.
        part: Its unknown part.
        known: What could stand in place of `part`.
    """
    close = get_close_matches(part, known, n=3, cutoff=0.6)
    if close:
        hint = f"did you mean {' or '.join(close)}?"
    else:
        hint = f"known keys: {', '.join(known)}" if known else "remove it"
    return UsageError(f"{what} {key!r}", hint)


def known_keys(model: type[BaseModel], path: list[Any]) -> list[str]:
    """Return the keys of the section of `model` at `path`, sorted; empty if there is none."""
    section: type[BaseModel] | None = model
    for part in path:
        field = section.model_fields.get(str(part)) if section else None
        section = _section(field.annotation) if field else None
    return sorted(section.model_fields) if section else []


def _section(annotation: Any) -> type[BaseModel] | None:
    candidates = [annotation, *get_args(annotation)]
    for candidate in candidates:
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
