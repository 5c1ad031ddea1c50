"""The site: what its pages say, that nothing breaks out of them, and that links stay inside."""

from __future__ import annotations

import json
import posixpath
import re
from html.parser import HTMLParser

import pytest

from results.render.site.attack_page import attack_lines
from results.render.site.board_table import board_table
from results.render.site.build import site_files, write_site
from results.render.site.context import SiteContext, attacks_path, board_path, row_id
from results.render.site.trade_off_chart import trade_off_chart
from tests.site_scene import HOSTILE, LEFT, site_context

VOID = {"meta", "link", "img", "br", "input", "rect", "line", "circle", "polyline"}


class SitePage(HTMLParser):
    """Elements of a page with their attributes, their ids, and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.data: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    @property
    def addresses(self) -> list[str]:
        return [one[key] or "" for _, one in self.elements for key in ("href", "src") if key in one]

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert tag in VOID or self._open.pop() == tag

    def handle_data(self, data):
        if self._open[-1:] == ["script"]:
            self.data.append(data)


@pytest.fixture(scope="module")
def context() -> SiteContext:
    return site_context()


@pytest.fixture(scope="module")
def files(context: SiteContext) -> dict[str, bytes]:
    return site_files(context)


@pytest.fixture(scope="module")
def pages(files: dict[str, bytes]) -> dict[str, SitePage]:
    return {path: SitePage(text.decode()) for path, text in files.items() if path.endswith("html")}


def main_board(context: SiteContext):
    return max(context.boards, key=lambda board: len(board.rows))


def test_every_board_has_its_pages(context: SiteContext, files: dict[str, bytes]) -> None:
    assert len(context.boards) == 3
    for board in context.boards:
        assert {board_path(board), attacks_path(board), f"data/{board.slug}.csv"} <= set(files)
        assert board_path(board) in files["index.html"].decode()


def test_no_file_leaves_the_folder(files: dict[str, bytes]) -> None:
    for path in files:
        assert posixpath.normpath(path) == path
        assert re.fullmatch(r"[A-Za-z0-9._/-]+", path), path
        assert ".." not in path.split("/"), path


def test_links_lead_to_files_of_the_site(pages, files: dict[str, bytes]) -> None:
    for path, page in pages.items():
        ids = {one.get("id") for _, one in page.elements}
        for address in page.addresses:
            place, _, anchor = address.partition("#")
            if address.startswith(("data:", "https:")):
                continue
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), place))
            assert target in files or not place, f"{path} → {address}"
            assert place or anchor in ids or anchor.startswith("open="), f"{path} → {address}"


def test_names_are_text_and_never_markup(pages, files: dict[str, bytes]) -> None:
    for path, page in pages.items():
        assert "hostile" not in [tag for tag, _ in page.elements]
        scripts = [one for tag, one in page.elements if tag == "script"]
        assert all("src" in one or one["type"] == "application/json" for one in scripts), path
        assert not any(tag == "img" or "onerror" in one for tag, one in page.elements), path
        for text in page.data:
            if text.strip():
                json.loads(text)
    assert HOSTILE.encode() not in b"".join(files[path] for path in pages)


def test_the_same_records_give_the_same_bytes(files: dict[str, bytes]) -> None:
    assert site_files(site_context()) == files


def test_pages_come_into_a_folder(context: SiteContext, files, tmp_path) -> None:
    paths = write_site(context, tmp_path / "site")
    assert paths[0] == tmp_path / "site" / "index.html"
    assert {path.relative_to(tmp_path / "site").as_posix() for path in paths} == set(files)
    assert (tmp_path / "site" / "assets/datatables/LICENSE.txt").is_file()


def test_the_table_says_what_the_board_says(context: SiteContext) -> None:
    board = main_board(context)
    table = board_table(board)
    assert [row.label for row in table.rows] == [row.label for row in board.rows]
    keys = [heading.key for heading in table.headings]
    worst = [row.entries[keys.index("worst_map")] for row in table.rows]
    assert [one.order for one in worst] == sorted(left + 1 for left in LEFT.values())[::-1]
    assert [one.text for one in worst] == ["20.0 ± 1.0", "16.0 ± 1.0", "15.0 ± 1.0", "5.0 ± 1.0"]
    assert [one.best for one in worst] == [True, False, False, False]
    assert table.facets["backbone"] == (HOSTILE, "small-resnet")
    assert table.facets["trust"] == ("reproduced", "run")
    assert table.facets["flag"] == (HOSTILE, "weak-attack")
    assert "against" not in table.facets  # all were trained against the same


def test_a_board_page_carries_every_attack_of_every_row(context: SiteContext, pages) -> None:
    board = main_board(context)
    data = json.loads("".join(pages[board_path(board)].data))
    assert set(data["rows"]) == {row_id(row) for row in board.rows}
    labels = [one["label"] for one in data["attacks"]]
    first = {labels[number]: value for number, value, *_ in data["rows"][row_id(board.rows[0])]}
    assert first["fna@8"] == 22.0
    counted = {one["name"] for one in data["attacks"] if one["counted"]}
    assert counted == {"sma", "fna", "square"}
    assert {one["title"] for one in data["curves"][row_id(board.rows[0])]} >= {"worst case", "sma"}
    assert set(data["flags"]) == {"weak-attack"}


def test_attacks_are_ranked_by_how_often_they_win(context: SiteContext) -> None:
    first, *rest = attack_lines(context, main_board(context))
    assert (first.label.split()[0], first.wins, first.rows) == ("fna@8", 4, 4)
    assert first.drop == pytest.approx(66 - 2 * 14 - 2)
    assert [one.wins for one in rest[:2]] == [0, 0]
    assert {one.wins for one in rest[2:]} == {None}  # other budgets, the control, another norm
    assert [one.knowledge for one in rest if one.label.startswith("random-noise")] == ["none"]


def test_points_of_the_trade_off_lie_in_the_figure(context: SiteContext) -> None:
    board = main_board(context)
    chart = trade_off_chart(board)
    assert chart is not None
    assert {mark.id for mark in chart.marks} == {row_id(row) for row in board.rows}
    by_label = {mark.text.split(":")[0]: mark for mark in chart.marks}
    assert by_label["ddid"].y < by_label["trades"].y < by_label["metric-at"].y
    assert by_label["ddid"].x < by_label["trades"].x
    assert all(48 <= mark.x <= 744 and 14 <= mark.y <= 376 for mark in chart.marks)
    assert all(trade_off_chart(one) is None for one in context.boards if one is not board)


def test_a_snapshot_is_named_by_its_records(context: SiteContext) -> None:
    fewer = SiteContext(context.boards[:1], {}, {}, context.glossary)
    assert context.snapshot == site_context().snapshot != fewer.snapshot
    assert len({row_id(row) for board in context.boards for row in board.rows}) == 6


def test_a_site_of_nothing_says_so() -> None:
    empty = SiteContext([], {}, {}, site_context().glossary)
    assert "No records." in site_files(empty)["index.html"].decode()
