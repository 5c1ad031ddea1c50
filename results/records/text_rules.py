"""What texts and free values of a record may hold: nothing that acts on a terminal.

Markup is text like any other and is shown as such; no published record has some in a name.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue

from results.records.printable import OF_A_TEXT, UNSEEN

LONGEST_NAME = 300
LINE_PATTERN = f"^[^{UNSEEN}]*$"
"""For pydantic: checked in Rust, as a record has many names."""
_LARGEST_INTEGER = 2**64


def file_name(text: str) -> str:
    """Return a text if it is the name of an NPZ file in the same folder.

    Raises:
        ValueError: It is a path, or no such name.
    """
    if {"/", "\\", ":"} & set(text) or text.startswith("."):
        raise ValueError("it must be the name of a file beside the record, not a path")
    if not text.endswith(".npz"):
        raise ValueError("it must end in .npz")
    return text


def free_text(text: str) -> str:
    """Return a text of several lines if it has no other control characters.

    Raises:
        ValueError: It has.
    """
    if not text.isprintable() and OF_A_TEXT.search(text):
        raise ValueError("a text holds no control characters but line breaks")
    return text


def free_values(value: Any) -> Any:
    """Return a JSON value if its texts and numbers may stand in a record.

    Raises:
        ValueError: A text with control characters, or a number that others cannot read.
    """
    if isinstance(value, str):
        free_text(value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a number is not finite")
    elif isinstance(value, int):
        if abs(value) > _LARGEST_INTEGER:
            raise ValueError("a whole number has more than 64 bits")
    elif isinstance(value, dict):
        for key, one in value.items():
            free_text(key)
            free_values(one)
    elif isinstance(value, list | tuple):
        for one in value:
            free_values(one)
    return value


Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, pattern=LINE_PATTERN)]
Text = Annotated[str, AfterValidator(free_text)]
FileName = Annotated[str, Field(max_length=255, pattern=LINE_PATTERN), AfterValidator(file_name)]
FreeValues = Annotated[dict[str, JsonValue], AfterValidator(free_values)]
PluginValues = Annotated[dict[str, Any], AfterValidator(free_values)]
"""Free values, too; of tuples and the like, which plugins put into their reports."""
