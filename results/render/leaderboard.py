"""The leaderboard files of a folder: Markdown to read, CSV to compute with, figures to look at."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from results.board.attack_table import attack_rows
from results.board.boards import Board
from results.board.curves import curve_rows
from results.board.leaderboard_frame import leaderboard_rows
from results.board.plain_rows import csv_text, json_text
from results.board.unseen import make_matrices, unseen_rows
from results.records.atomic import publish
from results.records.schema import Record
from results.render.bibtex import bibliography_text
from results.render.figures import write_figures
from results.render.latex import boards_latex
from results.render.markdown import boards_markdown, unseen_markdown
from results.report.publication import Publication


def write_leaderboard(
    boards: Sequence[Board], output_dir: Path, published: Sequence[Record] = ()
) -> list[Path]:
    """Write ``leaderboard.md``, ``leaderboard.csv`` and ``attacks.csv``, and what else there is.

    That is ``curves.csv`` for sweeps and black-box attacks, ``unseen.md`` and ``unseen.csv`` for
    defenses that were trained against several attacks, and the figures of both. The same records
    give the same bytes.

    Args:
        boards: Any number.
        output_dir: Where to write.
        published: Published records; those of the same protocol stand in a part of their own in
            ``leaderboard.md``, and in no other file.

    Returns:
        Paths of the files, the leaderboard first.

    Raises:
        RecordError: The disk is full or the folder refuses.
    """
    files = texts(boards, published=published)
    paths = [publish(output_dir / name, text.encode()) for name, text in files.items()]
    return [*paths, *write_figures(boards, output_dir)]


def texts(
    boards: Sequence[Board],
    formats: Collection[str] = ("md", "csv"),
    references: Mapping[str, Sequence[Publication]] | None = None,
    published: Sequence[Record] = (),
) -> dict[str, str]:
    """Return the text of each file of a leaderboard by its name, the leaderboard first.

    Args:
        boards: Any number.
        formats: Of ``md``, ``csv``, ``json``, ``latex`` and ``bibtex``.
        references: Papers by plugin, such as ``defense/ddid``, for the bibliography.
        published: As for `write_leaderboard`.
    """
    matrices, files = make_matrices(boards), {}
    if "md" in formats:
        files["leaderboard.md"] = boards_markdown(boards, published)
        if matrices:
            files["unseen.md"] = unseen_markdown(matrices)
    rows = leaderboard_rows(boards) if {"csv", "json"} & set(formats) else []
    if "csv" in formats:
        tables = {"leaderboard": rows, "attacks": attack_rows(boards)}
        tables |= {"curves": curve_rows(boards), "unseen": unseen_rows(matrices)}
        wanted = {n: t for n, t in tables.items() if n in ("leaderboard", "attacks") or t}
        files |= {f"{name}.csv": csv_text(table) for name, table in wanted.items()}
    if "json" in formats:
        files["leaderboard.json"] = json_text(rows)
    if "latex" in formats:
        files["leaderboard.tex"] = boards_latex(boards)
    if "bibtex" in formats:
        files["references.bib"] = bibliography_text(references or {})
    return files
