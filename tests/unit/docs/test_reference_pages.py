"""The pages of docs/reference/ and the drawing are what their scripts write."""

from __future__ import annotations

import importlib

import pytest

from tests.documents import DOCS


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module


def test_the_reference_is_up_to_date(script):
    pages = script("generate_reference").pages()
    folder = DOCS / "reference"
    assert {path.name for path in folder.iterdir()} == set(pages)
    for name, text in pages.items():
        lines = (folder / name).read_text("utf-8").splitlines()
        assert lines == text.splitlines(), "run: .venv/bin/python docs/generate_reference.py"


def test_the_drawing_is_up_to_date(script):
    drawing = script("draw_data_flow")
    assert drawing.PICTURE.read_text("utf-8") == drawing.picture()
