"""The page of a board: its rows to sort, to filter and to open, its trade-off, its downloads."""

from __future__ import annotations

from results.board.boards import Board
from results.render.claims import NOTE, TITLE, claim_text
from results.render.page_template import rendered
from results.render.site import trade_off_chart as chart
from results.render.site.board_data import board_data, present_knowledge
from results.render.site.board_table import board_table
from results.render.site.context import SiteContext
from results.render.site.downloads import downloads


def board_page(context: SiteContext, board: Board) -> str:
    """Return the page of a board."""
    table = board_table(board)
    return rendered(
        "site_board.html",
        root="../../",
        snapshot=context.snapshot,
        board=board,
        table=table,
        data=board_data(board, table, context),
        knowledge=present_knowledge(board),
        chart=chart,
        drawn=chart.trade_off_chart(board),
        downloads=downloads(board, context.glossary.references),
        claims=[(one, claim_text(one)) for one in context.claims(board)],
        claims_title=TITLE,
        claims_note=NOTE,
    )
