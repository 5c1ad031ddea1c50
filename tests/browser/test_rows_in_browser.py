"""The page of a row and the comparison of two rows, in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from results.board.comparison import Contrast, compare
from results.render.site.context import compare_path, entry_path
from tests.browser.test_site_in_browser import BOARD, IDS, violations
from tests.browser.webdriver import Browser
from tests.site_scene import HOSTILE, site_context

ROWS = {row.records[0].defense.name: row for row in BOARD.rows}
TABLE = """
return [...document.querySelectorAll('#contrasts tr')].map(
  (line) => [...line.children].map((cell) => cell.textContent));
"""
DONE = """
return new Promise((resolve) => {
  const look = () => ['done', 'refused'].includes(document.getElementById('verdict').dataset.state)
    ? resolve(document.getElementById('verdict').innerText) : setTimeout(look, 20);
  look();
});
"""
"""Waits until the comparison is computed and returns what it says first."""


def open_comparison(page: Browser, site: Path, state: str = "") -> str:
    page.open("about:blank")
    page.open(f"{(site / compare_path(BOARD)).as_uri()}{state}")
    text: str = page.run(DONE)
    return text


def select(page: Browser, name: str, row: str) -> str:
    page.run(
        "const field = document.getElementById(arguments[0]); field.value = arguments[1];"
        "field.dispatchEvent(new Event('change', {bubbles: true}));",
        name,
        IDS[row],
    )
    text: str = page.run(DONE)
    return text


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def check(lines: list[list[str]], first: str, second: str) -> None:
    context = site_context()
    expected = compare(BOARD, ROWS[first], ROWS[second], context.measured).contrasts
    told = {name: cells for name, *cells in lines}
    assert list(told) == [one.name for one in expected]
    for one in expected:
        check_line(told[one.name], one)


def check_line(cells: list[str], one: Contrast) -> None:
    ours, theirs, difference, given, _, p, effect, only_a, only_b = cells
    assert number(ours) == pytest.approx(one.ours, abs=0.011)
    assert number(theirs) == pytest.approx(one.theirs, abs=0.011)
    assert number(difference) == pytest.approx(one.difference, abs=0.011)
    low, high = map(number, given.split(" to "))
    width = one.given[1] - one.given[0]
    assert (low, high) == pytest.approx(one.given, abs=0.12 * width)
    assert number(p) == pytest.approx(one.p, abs=0.01)
    assert one.effect is not None
    assert number(effect) == pytest.approx(one.effect, abs=0.011)
    assert (number(only_a), number(only_b)) == pytest.approx(one.flips, abs=0.051)


def test_an_address_compares_two_rows_as_the_command_does(page: Browser, site: Path) -> None:
    text = open_comparison(page, site, f"#a={IDS['ddid']}&b={IDS['none']}")
    assert "seed 0, 1, 2" in text
    check(page.run(TABLE), "ddid", "none")
    bars = page.run("return document.querySelectorAll('#differences rect').length")
    assert bars == 8
    assert page.run("return document.getElementById('label-b').textContent") == HOSTILE


def test_two_rows_are_chosen_and_swapped(page: Browser, site: Path) -> None:
    open_comparison(page, site)
    select(page, "a", "trades")
    select(page, "b", "metric-at")
    check(page.run(TABLE), "trades", "metric-at")
    page.run("document.getElementById('swap').click()")
    page.run(DONE)
    check(page.run(TABLE), "metric-at", "trades")
    state = page.run("return site.state()")
    assert state == {"a": IDS["metric-at"], "b": IDS["trades"]}


def test_a_row_is_not_compared_with_itself(page: Browser, site: Path) -> None:
    open_comparison(page, site)
    select(page, "a", "trades")
    assert select(page, "b", "trades") == "Choose two different rows."
    assert page.run("return document.getElementById('numbers').hidden")


def test_a_wrong_address_compares_the_first_rows(page: Browser, site: Path) -> None:
    open_comparison(page, site, "#a=nothing&b=%3Cimg%3E")
    found = page.run("return site.state()")
    assert found == {"a": IDS["ddid"], "b": IDS["trades"]}


def test_boards_of_targets_say_why_they_are_not_compared(page: Browser, site: Path) -> None:
    targeted = next(board for board in site_context().boards if board.targeted)
    page.open((site / compare_path(targeted)).as_uri())
    assert page.run(DONE).startswith("n/a: the attacks of this board have targets")


@pytest.mark.parametrize("name", ["ddid", "none"])
def test_the_page_of_a_row_is_accessible_and_fits_a_phone(
    page: Browser, site: Path, name: str
) -> None:
    page.open((site / entry_path(ROWS[name])).as_uri())
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert violations(page) == []
    phone: dict[str, Any] = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    page.devtools("Emulation.setDeviceMetricsOverride", **phone)
    assert page.run("return document.documentElement.scrollWidth") <= 390
    page.devtools("Emulation.clearDeviceMetricsOverride")


def test_the_page_of_a_row_leads_to_its_comparison(page: Browser, site: Path) -> None:
    page.open((site / entry_path(ROWS["trades"])).as_uri())
    page.run("[...document.links].find((one) => one.href.includes('compare.html#')).click()")
    page.run(DONE)
    assert page.run("return site.state()") == {"a": IDS["trades"], "b": IDS["ddid"]}
