"""The page of each row: what it is, how strong it is, and how to make it anew."""

from __future__ import annotations

from math import log1p

from results.render import report_charts as charts
from results.render.page_template import rendered
from results.render.report_page import data_uri
from results.render.site.context import SiteContext, entry_path
from results.render.site.entry_build import EntryMaker


def entry_pages(context: SiteContext) -> dict[str, str]:
    """Return the page of each row of each board, by its path in the site.

    Raises:
        RecordError: A file of ranked lists is damaged, or outcomes lack an attack of theirs.
    """
    maker, pages = EntryMaker(context), {}
    for board in context.boards:
        for row in board.rows:
            entry, pictures = maker.make(board, row)
            pages[entry_path(row)] = rendered(
                "site_entry.html",
                entry=entry,
                pictures={name: data_uri(content) for name, content in pictures.items()},
                budgets=charts.line_chart(entry.curves) if entry.curves else None,
                answers=charts.line_chart(entry.answer_curves, log1p)
                if entry.answer_curves
                else None,
                chart=charts,
                root="../",
                snapshot=context.snapshot,
            )
    return pages
