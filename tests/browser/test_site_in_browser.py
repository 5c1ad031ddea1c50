"""The site in a real browser: sort, filter, search, open, link, compare, and read without eyes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from results.render.site.context import (
    attacks_path,
    board_path,
    compare_path,
    entry_path,
    row_id,
)
from tests.browser.webdriver import Browser
from tests.site_scene import LEFT, site_context

BOARD = max(site_context().boards, key=lambda board: len(board.rows))
IDS = {row.records[0].defense.name: row_id(row) for row in BOARD.rows}
AXE = Path(__file__).parent / "axe" / "axe.min.js"
PLACES = [
    "index.html",
    board_path(BOARD),
    attacks_path(BOARD),
    compare_path(BOARD),
    entry_path(BOARD.rows[-1]),
]
SHOWN = """
return [...document.querySelectorAll('#board > tbody > tr[data-row]')].map(
  (row) => row.querySelector('.open').lastChild.textContent);
"""


def shown(page: Browser) -> list[str]:
    return [name if name in LEFT else "none" for name in page.run(SHOWN)]


def open_board(page: Browser, site: Path, state: str = "") -> None:
    page.open(f"{(site / board_path(BOARD)).as_uri()}{state}")


def click(page: Browser, selector: str) -> None:
    page.run("document.querySelector(arguments[0]).click()", selector)


def choose(page: Browser, name: str, value: str) -> None:
    page.run(
        "const field = document.getElementById('filters').elements[arguments[0]];"
        "field.value = arguments[1]; field.dispatchEvent(new Event('input', {bubbles: true}));",
        name,
        value,
    )


def state(page: Browser) -> dict[str, str]:
    found: dict[str, str] = page.run("return site.state()")
    return found


def counter(page: Browser) -> str:
    text: str = page.run("return document.getElementById('counter').textContent")
    return text


def test_rows_sort_by_their_numbers_and_back(page: Browser, site: Path) -> None:
    open_board(page, site)
    in_order = ["ddid", "trades", "metric-at", "none"]
    assert shown(page) == in_order
    heading = "th[data-key=clean_map]"
    click(page, f"{heading} .dt-column-order")
    assert shown(page) == ["none", "metric-at", "trades", "ddid"]
    assert page.run("return document.querySelector(arguments[0]).ariaSort", heading) == "descending"
    assert state(page) == {"sort": "clean_map:desc"}
    click(page, f"{heading} .dt-column-order")
    assert shown(page) == in_order
    click(page, f"{heading} .dt-column-order")
    assert (shown(page), state(page)) == (in_order, {})


def test_filters_say_what_they_hide_and_stay_in_the_address(page: Browser, site: Path) -> None:
    open_board(page, site)
    assert counter(page) == "All 4 rows"
    choose(page, "backbone", "is:small-resnet")
    choose(page, "q", "AT")
    assert shown(page) == ["metric-at"]
    assert counter(page) == "1 of 4 rows; filters hide 3"
    assert state(page) == {"backbone": "is:small-resnet", "q": "AT"}
    click(page, "#reset")
    assert (shown(page), state(page)) == (["ddid", "trades", "metric-at", "none"], {})
    choose(page, "trust", "is:reproduced")
    assert shown(page) == ["trades"]
    choose(page, "trust", "")
    choose(page, "flag", "is:weak-attack")
    assert shown(page) == ["none"]
    choose(page, "flag", "none")
    assert shown(page) == ["ddid", "trades", "metric-at"]


def test_the_strongest_attack_is_of_those_chosen(page: Browser, site: Path) -> None:
    open_board(page, site)
    strongest = "return document.querySelector('tr[data-row] .strongest').textContent"
    assert page.run(strongest) == "fna@8 22.0"
    choose(page, "attack", "score")
    assert page.run(strongest) == "square@8 28.0"


def test_an_address_brings_back_what_was_seen(page: Browser, site: Path) -> None:
    open_board(page, site, f"#sort=clean_map:desc&flag=none&open={IDS['trades']}")
    assert shown(page) == ["metric-at", "trades", "ddid"]
    opened = page.run(
        "const row = document.querySelector('tr.detail, td.detail').closest('tr');"
        "return [row.previousElementSibling.dataset.row, row.innerText]"
    )
    assert opened[0] == IDS["trades"]
    assert "fna@8 (strongest)" in opened[1]
    assert page.run("return document.querySelectorAll('.spark polyline').length") >= 3
    page.run("location.hash = ''; return new Promise((done) => setTimeout(done, 50))")
    assert len(shown(page)) == 4
    assert page.run("return document.querySelectorAll('.inside').length") == 0


def test_a_wrong_address_shows_everything(page: Browser, site: Path) -> None:
    open_board(page, site, "#sort=nothing:up&flag=is:nothing&open=nothing&q=")
    assert len(shown(page)) == 4


def test_a_row_opens_by_keyboard(page: Browser, site: Path) -> None:
    open_board(page, site)
    page.run("document.querySelector('.open').focus()")
    page.press("Enter")
    assert page.run("return document.activeElement.getAttribute('aria-expanded')") == "true"
    assert state(page) == {"open": IDS["ddid"]}
    page.press("Enter")
    assert state(page) == {}


def test_a_point_leads_to_its_row_even_if_filters_hide_it(page: Browser, site: Path) -> None:
    open_board(page, site, "#q=ddid")
    page.run(
        "document.querySelector(`.mark[data-row='${arguments[0]}']`)"
        ".dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}))",
        IDS["none"],
    )
    assert len(shown(page)) == 4
    assert state(page) == {"open": IDS["none"]}


def test_an_attack_opens_to_what_it_leaves(page: Browser, site: Path) -> None:
    page.open((site / attacks_path(BOARD)).as_uri())
    choose(page, "knowledge", "is:score")
    assert counter(page).startswith("1 of ")
    click(page, "tr[data-row] .open")
    links = page.run("return [...document.querySelectorAll('.inside a')].map((one) => one.href)")
    assert links[0].endswith(f"index.html#open={IDS['ddid']}")


def test_the_first_page_finds_boards(page: Browser, site: Path) -> None:
    page.open(f"{(site / 'index.html').as_uri()}#q=metric-at")
    assert counter(page) == "1 of 3 boards; the search hides 2"
    click(page, "#reset")
    assert counter(page) == "All 3 boards"


def test_the_theme_is_kept(page: Browser, site: Path) -> None:
    open_board(page, site)
    before = page.run("return getComputedStyle(document.body).backgroundColor")
    click(page, "#theme")
    after = page.run("return getComputedStyle(document.body).backgroundColor")
    open_board(page, site)
    assert page.run("return getComputedStyle(document.body).backgroundColor") == after != before
    click(page, "#theme")


def violations(page: Browser, **options: Any) -> list[tuple[str, list[str]]]:
    """Return the rules of axe that a page breaks, each with the elements that do."""
    page.run("document.querySelector('.open')?.click()")
    page.run(AXE.read_text())
    script = "return axe.run({preload: false, ...arguments[0]}).then((found) => found.violations)"
    found: list[dict[str, Any]] = page.run(script, options)
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]


@pytest.mark.parametrize("place", PLACES)
def test_pages_are_accessible(page: Browser, site: Path, place: str) -> None:
    page.open((site / place).as_uri())
    assert violations(page) == []


def test_dark_pages_can_be_read(page: Browser, site: Path) -> None:
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    page.devtools("Emulation.setEmulatedMedia", features=[dark])
    open_board(page, site)
    assert violations(page, runOnly=["color-contrast"]) == []
    page.devtools("Emulation.setEmulatedMedia", features=[])


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_wider_than_a_phone(page: Browser, site: Path, place: str) -> None:
    phone = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    page.devtools("Emulation.setDeviceMetricsOverride", **phone)
    page.open((site / place).as_uri())
    page.run("document.querySelector('.open')?.click()")
    assert page.run("return document.documentElement.scrollWidth") <= 390
    page.devtools("Emulation.clearDeviceMetricsOverride")
