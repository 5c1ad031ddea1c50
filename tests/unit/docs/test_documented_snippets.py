"""Snippets of the pages are what they look like: Python that compiles, YAML that loads."""

from __future__ import annotations

import ast

import pytest
import yaml

from tests.documents import PAGES, fences, name_of

LANGUAGES = {"", "python", "yaml"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_fences_parse(page):
    for text in fences(page, "python"):
        ast.parse(text)
    for text in fences(page, "yaml"):
        assert yaml.safe_load(text)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_names_that_are_imported_from_the_benchmark_exist(page):
    import importlib

    for text in fences(page, "python"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("benchmark"):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, name.name) for name in node.names)
