"""Every link of the README and the docs leads to a page, a picture or a heading that is there."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.documents import DOCS, PAGES, ROOT, anchors, name_of, without_code

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
NAVIGATION = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for target in LINK.findall(without_code(page.read_text("utf-8"))):
        if target.startswith(("https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        on_the_site = page.is_relative_to(DOCS)
        assert not on_the_site or file.is_relative_to(DOCS), f"{target} is not on the site"
        assert not anchor or anchor in anchors(file), target


def test_every_page_is_in_the_navigation_once():
    sections = [entry for section in NAVIGATION for pages in section.values() for entry in pages]
    listed = [name for entry in sections for name in entry.values()]
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    assert sorted(listed) == sorted(pages)


def test_a_heading_that_is_not_there_is_noticed():
    assert "how-strong-is-ddid-against-metric-adversarial-training" in anchors(ROOT / "README.md")
    assert "no-such-heading" not in anchors(ROOT / "README.md")
