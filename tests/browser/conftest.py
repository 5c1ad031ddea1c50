"""One browser and one site for all tests in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from results.render.site.build import write_site
from tests.browser.webdriver import Browser, browser, browser_path
from tests.site_scene import site_context


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_site(site_context(), folder)
    return folder


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    driver, binary = shutil.which("chromedriver"), browser_path()
    if driver is None or binary is None:
        pytest.skip("needs Chromium and chromedriver")
    with browser(driver, binary) as found:
        yield found


@pytest.fixture
def page(chromium: Browser, site: Path) -> Iterator[Browser]:
    """A browser whose pages complain of nothing and ask for nothing outside the folder."""
    chromium.open("about:blank")
    chromium.complaints(), chromium.requests()
    yield chromium
    assert chromium.complaints() == []
    inside = (site.as_uri() + "/", "data:", "about:")
    assert [url for url in chromium.requests() if not url.startswith(inside)] == []
