"""``validate``: check record files against the schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.errors import show_error
from benchmark.cli.paths import as_given
from benchmark.cli.screen import write_line


def validate(
    files: Annotated[
        list[Path],
        typer.Argument(help="Record files.", metavar="RECORD.json …", parser=as_given),
    ],
) -> int:
    """Check that files are records of this schema; exit with 3 if one is not.

    Example:
      python -m benchmark validate runs/records/*.json
    """
    from benchmark.core.errors import EXIT_DATA, EXIT_OK
    from results.errors import RecordError
    from results.records.store import load_per_query, load_record

    code = EXIT_OK
    for path in files:
        try:
            record = load_record(path)
            for name in (record.per_query, *(one.per_query for one in record.cross_dataset)):
                if name is not None:
                    load_per_query(path.parent / name)
            write_line(f"ok    {path}")
        except RecordError as error:
            show_error(error.what, error.hint)
            code = EXIT_DATA
    return code
