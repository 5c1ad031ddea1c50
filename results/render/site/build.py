"""All files of the site, and how they come into a folder."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from results.records.atomic import publish
from results.render.site.attack_page import attack_page
from results.render.site.board_page import board_page
from results.render.site.compare import compare_files
from results.render.site.context import SiteContext, attacks_path, board_path
from results.render.site.downloads import downloads
from results.render.site.entry import entry_pages
from results.render.site.start_page import start_page


def write_site(context: SiteContext, output_dir: Path) -> list[Path]:
    """Write the site; the same records give the same bytes.

    Args:
        context: What it shows.
        output_dir: Where to write.

    Returns:
        Paths of the files, the first page first.

    Raises:
        RecordError: The disk is full or the folder refuses.
    """
    found = site_files(context)
    return [publish(output_dir / path, content) for path, content in found.items()]


def site_files(context: SiteContext) -> dict[str, bytes]:
    """Return the content of each file by its path in the folder, the first page first."""
    pages = {"index.html": start_page(context)}
    for board in context.boards:
        pages[board_path(board)] = board_page(context, board)
        pages[attacks_path(board)] = attack_page(context, board)
        pages |= compare_files(context, board)
        offered = downloads(board, context.glossary.references)
        pages |= {one.path: one.write() for one in offered}
    pages |= entry_pages(context)
    pages |= entry_pages(context)
    return {path: text.encode() for path, text in pages.items()} | _assets()


def _assets() -> dict[str, bytes]:
    """Return scripts, licences and one style sheet: that of reports, and what the site adds."""
    found = _tree(files("results.render.site") / "assets", "assets")
    shared = (files("results.render") / "templates" / "report.css").read_bytes()
    return found | {"assets/site.css": shared + found["assets/site.css"]}


def _tree(folder: Traversable, path: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        name = f"{path}/{entry.name}"
        found |= _tree(entry, name) if entry.is_dir() else {name: entry.read_bytes()}
    return found
