"""The pages that people read: README and docs/, their fences, commands and headings."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]

NAMES = {"python -m benchmark", "python -m benchmark run"}
"""What a sentence calls the program or a command by; nothing to be typed."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(
    r"^(?:    (?:\$ )?|[^\n]*?`)((?:\.venv/bin/)?python -m [^\n`]+|reid-robustbench [^\n`]+)", re.M
)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def fences(page: Path, language: str) -> list[str]:
    return [text for kind, text in _FENCE.findall(page.read_text("utf-8")) if kind == language]


def without_code(text: str) -> str:
    """Return a page without fences, indented blocks and inline code."""
    text = re.sub(r"^(?:    .*\n?)+", "", _FENCE.sub("", text), flags=re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "`code`", text)


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors of the headings, as GitHub and the site make them."""
    text = _FENCE.sub("", page.read_text("utf-8"))
    found: list[str] = []
    for heading in re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        found.append(slug)
    return frozenset(found)


def commands(page: Path) -> list[str]:
    """Return the command lines of a page, in blocks and in sentences, lines joined."""
    text = re.sub(r" \\\n +", " ", page.read_text("utf-8"))
    found = [line.split("  #")[0].strip() for line in _COMMAND.findall(text)]
    whole = [line for line in found if "…" not in line and not re.search(r"\b[A-Z]{4,}\b", line)]
    return [line for line in whole if line not in NAMES]
