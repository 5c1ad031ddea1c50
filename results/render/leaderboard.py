"""The leaderboard files of a folder: Markdown to read, CSV to compute with, figures to look at."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from results.board.attack_table import attacks_frame
from results.board.boards import Board
from results.board.curves import curves_frame
from results.board.leaderboard_frame import leaderboard_frame
from results.board.unseen import make_matrices, unseen_frame
from results.records.atomic import publish
from results.render.figures import write_figures
from results.render.markdown import boards_markdown, unseen_markdown


def write_leaderboard(boards: Sequence[Board], output_dir: Path) -> list[Path]:
    """Write ``leaderboard.md``, ``leaderboard.csv`` and ``attacks.csv``, and what else there is.

    That is ``curves.csv`` for sweeps and black-box attacks, ``unseen.md`` and ``unseen.csv`` for
    defenses that were trained against several attacks, and the figures of both. The same records
    give the same bytes.

    Args:
        boards: Any number.
        output_dir: Where to write.

    Returns:
        Paths of the files, the leaderboard first.

    Raises:
        RecordError: The disk is full or the folder refuses.
    """
    files = texts(boards)
    paths = [publish(output_dir / name, text.encode()) for name, text in files.items()]
    return [*paths, *write_figures(boards, output_dir)]


def texts(boards: Sequence[Board], formats: Collection[str] = ("md", "csv")) -> dict[str, str]:
    """Return the text of each file of a leaderboard by its name, the leaderboard first.

    Args:
        boards: Any number.
        formats: Of ``md``, ``csv`` and ``json``.
    """
    matrices, files = make_matrices(boards), {}
    if "md" in formats:
        files["leaderboard.md"] = boards_markdown(boards)
        if matrices:
            files["unseen.md"] = unseen_markdown(matrices)
    rows = leaderboard_frame(boards) if {"csv", "json"} & set(formats) else pd.DataFrame()
    if "csv" in formats:
        frames = {"leaderboard": rows, "attacks": attacks_frame(boards)}
        frames |= {"curves": curves_frame(boards), "unseen": unseen_frame(matrices)}
        wanted = {n: f for n, f in frames.items() if n in ("leaderboard", "attacks") or len(f)}
        files |= {f"{name}.csv": _csv(frame) for name, frame in wanted.items()}
    if "json" in formats:
        files["leaderboard.json"] = _json(json.loads(rows.to_json(orient="records")))
    return files


def _json(rows: Sequence[dict[str, object]]) -> str:
    """Return rows of plain values as JSON, as with ``indent=1``, which is slow for many rows."""
    write = json.JSONEncoder(ensure_ascii=False).encode
    lines = (",\n".join(f"  {write(k)}: {write(v)}" for k, v in row.items()) for row in rows)
    return "[\n" + ",\n".join(f" {{\n{line}\n }}" for line in lines) + "\n]\n"


def _csv(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False, lineterminator="\n")
