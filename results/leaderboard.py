"""The leaderboard files of a folder: Markdown to read, CSV to compute with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from results.atomic import publish
from results.board import make_boards
from results.markdown import boards_markdown
from results.schema import Record
from results.table import leaderboard_frame


def write_leaderboard(records: Sequence[Record], output_dir: Path) -> tuple[Path, Path]:
    """Write ``leaderboard.md`` and ``leaderboard.csv``; the same records give the same bytes.

    Returns:
        Paths of both files.

    Raises:
        RecordError: The disk is full or the folder refuses.
    """
    text = boards_markdown(make_boards(records))
    numbers = leaderboard_frame(records).to_csv(index=False, lineterminator="\n")
    return (
        publish(output_dir / "leaderboard.md", text.encode()),
        publish(output_dir / "leaderboard.csv", numbers.encode()),
    )
