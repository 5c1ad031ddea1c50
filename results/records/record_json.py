"""From the text of a record to the record, whoever wrote it; else an error of one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from results.errors import RecordError
from results.records.migration import migrated
from results.records.printable import printable
from results.records.schema import SCHEMA_VERSION, Record
from results.records.text_rules import LINE_PATTERN

_SHOWN_PROBLEMS = 3
_BACK = "restore the file, or delete it and run again"


def parse_record(text: str, path: Path) -> Record:
    """Return the record that a text spells out.

    Args:
        text: JSON.
        path: Where it was read, for errors.

    Raises:
        RecordError: It is not JSON, names a key twice, or does not follow the schema.
    """
    if (present := _present(text)) is not None:
        return present
    try:
        content = json.loads(
            text, parse_constant=_refuse_constant, object_pairs_hook=_without_repeats
        )
    except (ValueError, RecursionError) as error:
        what = "too deeply nested" if isinstance(error, RecursionError) else str(error)
        raise RecordError(f"{path} is not JSON: {what}", _BACK) from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise RecordError(
            f"{path} has schema version {printable(str(version))}; this installation reads "
            f"{SCHEMA_VERSION}",
            "upgrade reid-robustbench",
        )
    try:
        return Record.model_validate_json(json.dumps(migrated(content)), strict=True)
    except ValidationError as error:
        raise RecordError(
            f"{path} is not a record of schema version {version}: {_problems(error)}",
            "mend the named keys, or delete the file and run again",
        ) from error
    except RecursionError as error:
        raise RecordError(f"{path} is not a record: it is too deeply nested", _BACK) from error


def _present(text: str) -> Record | None:
    """Return a record of the present version; None for all else, which wants a closer look."""
    if "NaN" in text or "Infinity" in text:
        return None
    try:
        record = Record.model_validate_json(text, strict=True)
    except ValidationError:
        return None
    return record if _names_no_key_twice(text) else None


def _names_no_key_twice(text: str) -> bool:
    """Whether keys surely are distinct, of which pydantic takes the last; a tenth of the time that
    looking at each takes.

    Written out again, each key is there once. Both texts have as many ends of keys, unless they
    are spelled in another way.
    """
    if any(other in text for other in (" :", "\n:", "\t:", "\r:", r"\u0022")):
        return False
    return text.count('":') == to_json(from_json(text)).count(b'":')


def _problems(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False)[:_SHOWN_PROBLEMS]:
        where = ".".join(printable(str(part)) for part in problem["loc"])
        message = printable(problem["msg"].removeprefix("Value error, "))
        if problem.get("ctx", {}).get("pattern") == LINE_PATTERN:
            message = "a name holds no control characters and no line breaks"
        lines.append(f"{where}: {message}" if where else message)
    hidden = error.error_count() - len(lines)
    return "; ".join(lines) + (f"; and {hidden} more" if hidden else "")


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {printable(twice)} is there twice")
    return content
