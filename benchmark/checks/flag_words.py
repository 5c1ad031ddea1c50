"""What each flag means and what to do, read from the flags' own words without importing them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

_FOLDER = Path(__file__).parent / "flags"
_PARTS = re.compile(
    r"^Means: (?P<means>.*?)^Do: (?P<do>.*?)(?=^Seen: |\Z)", re.MULTILINE | re.DOTALL
)


def flag_words() -> dict[str, tuple[str, str]]:
    """Return what each flag means, and what to do about it, by its id."""
    found = {}
    for path in sorted(_FOLDER.glob("[a-z]*.py")):
        text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        if parts := _PARTS.search(text):
            means, do = (" ".join(parts[name].split()) for name in ("means", "do"))
            found[path.stem.replace("_", "-")] = (means, do)
    return found
