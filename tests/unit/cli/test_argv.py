"""Options that take several values."""

from __future__ import annotations

import pytest

from benchmark.cli.argv import spread


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("run --eps 2 4 8 --json", "run --eps 2 --eps 4 --eps 8 --json"),
        ("run --eps -1 2", "run --eps -1 --eps 2"),
        ("run --eps=2 --seed 0 1", "run --eps=2 --seed 0 --seed 1"),
        ("plan --set a=1 b=2 --defense none", "plan --set a=1 --set b=2 --defense none"),
        ("run --attack-seed 0 1", "run --attack-seed 0 --attack-seed 1"),
        ("run --output a b", "run --output a b"),
        ("board a b --format md", "board a b --format md"),
        ("", ""),
    ],
)
def test_an_option_is_repeated_before_each_of_its_values(given, expected):
    assert spread(given.split()) == expected.split()
