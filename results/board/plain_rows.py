"""Rows of plain values as columns, CSV and JSON: numbers to six decimals, nothing where one lacks.

pandas does the same; its import alone is a tenth of what a large board costs.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence

import numpy as np

Value = str | int | float | None

_DECIMALS = 6
_FORMULA = ("=", "+", "-", "@")
"""A spreadsheet computes a text that starts with one of these; after an apostrophe it does not."""


def columns_of(rows: Sequence[Mapping[str, Value]]) -> dict[str, list[Value]]:
    """Return the values of all rows by their names, in order of appearance."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _rounded([row.get(name) for row in rows]) for name in names}


def csv_text(rows: Sequence[Mapping[str, Value]]) -> str:
    """Return rows as CSV under a heading."""
    columns, stream = columns_of(rows), io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(map(_no_formula, columns))
    writer.writerows(map(_no_formula, row) for row in zip(*columns.values(), strict=True))
    return stream.getvalue()


def json_text(rows: Sequence[Mapping[str, Value]]) -> str:
    """Return rows as JSON, as with ``indent=1``, which is slow for many rows."""
    write = json.JSONEncoder(ensure_ascii=False).encode
    columns = columns_of(rows)
    names = [write(name) for name in columns]
    lines = (
        ",\n".join(f"  {name}: {write(value)}" for name, value in zip(names, values, strict=True))
        for values in zip(*columns.values(), strict=True)
    )
    return "[\n" + ",\n".join(f" {{\n{line}\n }}" for line in lines) + "\n]\n"


def _no_formula(value: Value) -> Value:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _rounded(values: list[Value]) -> list[Value]:
    if not any(isinstance(value, float) for value in values):
        return values
    numbers = np.array(values, np.float64).round(_DECIMALS)
    return [None if value != value else value for value in numbers.tolist()]
