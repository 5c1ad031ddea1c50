"""What ``data`` prints: tables of what was found, and bars."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from benchmark.core.listing import SHOWN

if TYPE_CHECKING:
    from benchmark.data.dataset import Dataset
    from benchmark.data.defect import Defect
    from benchmark.data.image_label import SplitCounts

BAR = 40
"""Columns of the longest bar."""
QUIET = {("info", "counts"), ("info", "pixels")}
"""What is in a table of its own, or for `--json` alone."""
WIDE = 100_000
"""Columns of what is no terminal: its lines are not broken."""


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: bool) -> None:
    """Print a table; all columns but the first are numbers, or none."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if numbers and i else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    Console(highlight=False, width=None if sys.stdout.isatty() else WIDE).print(table)


def counts_of(dataset: Dataset) -> dict[str, tuple[SplitCounts | None, SplitCounts | None]]:
    """Return what each split holds, and what is published of it; None where that is not known."""
    from benchmark.core.errors import DataError
    from benchmark.data.label_defects import counted
    from benchmark.data.layout import SPLITS

    counts = {}
    for split in SPLITS:
        found = None
        with suppress(DataError):  # told by `verify_dataset`
            found = counted(dataset.labels(split)) if split in dataset.present() else None
        counts[str(split)] = (found, dataset.expected().get(split))
    return counts


def print_counts(counts: Mapping[str, tuple[SplitCounts | None, SplitCounts | None]]) -> None:
    """Print images, identities and cameras of each split beside the published ones."""
    keys = ("images", "identities", "cameras")
    told = any(published is not None for _, published in counts.values())
    columns = [title for key in keys for title in (key, *(["published"] if told else []))]
    rows = []
    for split, pair in counts.items():
        shown = pair if told else pair[:1]
        cells = ["–" if one is None else f"{getattr(one, key):,}" for key in keys for one in shown]
        rows.append([split, *cells])
    print_table(["Split", *columns], rows, numbers=True)


def print_defects(defects: Sequence[Defect]) -> None:
    """Print what was found and how to mend it, a bounded number of each kind."""
    totals = Counter((one.level, one.check) for one in defects)
    shown: Counter[tuple[str, str]] = Counter()
    rows = []
    for one in (one for one in defects if (one.level, one.check) not in QUIET):
        kind = (one.level, one.check)
        shown[kind] += 1
        if shown[kind] <= SHOWN:
            rows.append((one.level, one.check, one.message, one.hint))
        elif shown[kind] == totals[kind]:
            rows.append((one.level, one.check, f"and {totals[kind] - SHOWN} more", ""))
    print_table(("", "Check", "Found", "Mend"), rows, numbers=False)


def verdict(defects: Sequence[Defect]) -> str:
    """Return the last line: whether the data can be used."""
    levels = {one.level for one in defects}
    if "error" in levels:
        return "not sound: see the errors above"
    return "sound, with warnings: see above" if "warning" in levels else "sound"


def bars(title: str, counts: Mapping[str, int]) -> Iterator[str]:
    """Yield a line for each count: a bar, the share and the number."""
    yield title
    most, total = max(counts.values(), default=0), sum(counts.values())
    width = max(map(len, counts), default=0)
    for key, count in counts.items():
        bar = "█" * max(1, round(BAR * count / most))
        yield f"  {key:<{width}}  {bar:<{BAR}}  {100 * count / total:5.1f}%  {count:,}"


def spread_lines(spreads: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Iterator[str]:
    """Yield bars of images by camera and of identities by images, split by split."""
    for split, spread in spreads.items():
        if "images_by_camera" in spread:
            yield from bars(f"{split}: images by camera", spread["images_by_camera"])
        yield from bars(f"{split}: identities by images", spread["identities_by_images"])


def value_lines(value: Any, indent: str = "") -> list[str]:
    """Lay out nested values as indented lines."""
    lines = []
    for key, inner in value.items():
        title = str(key).replace("_", " ")
        if isinstance(inner, dict):
            lines += [f"{indent}{title}:", *value_lines(inner, indent + "  ")] if inner else []
        elif isinstance(inner, list):
            lines.append(f"{indent}{title}: {', '.join(map(str, inner)) or 'none'}")
        else:
            lines.append(f"{indent}{title}: {inner}")
    return lines
