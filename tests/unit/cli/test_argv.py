"""Options that take several values."""

from __future__ import annotations

import pytest
import typer

from benchmark.cli.app import app
from benchmark.cli.argv import spread

COMMAND = typer.main.get_command(app)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("run --eps 2 4 8 --json", "run --eps 2 --eps 4 --eps 8 --json"),
        ("run --eps -1 2", "run --eps -1 --eps 2"),
        ("run --eps=2 --seed 0 1", "run --eps 2 --seed 0 --seed 1"),
        ("run --seed=0 1 2", "run --seed 0 --seed 1 --seed 2"),
        ("plan --set a=1 b=2 --defense none", "plan --set a=1 --set b=2 --defense none"),
        ("run --set=a=1 b=2", "run --set a=1 --set b=2"),
        ("run --attack-seed 0 1", "run --attack-seed 0 --attack-seed 1"),
        ("run --output a b", "run --output a b"),
        ("run --output --seed 1 2", "run --output --seed 1 2"),
        ("run --output=a --seed 1 2", "run --output=a --seed 1 --seed 2"),
        ("run --eps --json", "run --eps --json"),
        ("run --seed= 1", "run --seed  --seed 1"),
        ("board a b --format md", "board a b --format md"),
        ("data info a", "data info a"),
        ("check attack a --plugin p q", "check attack a --plugin p --plugin q"),
        ("compare a b --records=r s", "compare a b --records r --records s"),
        ("nonsense --seed 1 2", "nonsense --seed 1 2"),
        ("--version", "--version"),
        ("", ""),
    ],
)
def test_an_option_is_repeated_before_each_of_its_values(given, expected):
    assert spread(given.split(), COMMAND) == expected.split(" " if "  " in expected else None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("check --plugin p attack a", "check --plugin p attack a"),
        ("check attack --plugin p q a", "check attack --plugin p --plugin q a"),
        ("check --plugin p attack a --set b=1", "check --plugin p attack a --set b=1"),
        ("compare --records r s a b", "compare --records r --records s a b"),
        ("experiment --seed 0 1 main", "experiment --seed 0 --seed 1 main"),
        ("experiment --seed 0 1 -- main", "experiment --seed 0 --seed 1 -- main"),
        ("check --plugin p", "check --plugin p"),
    ],
)
def test_arguments_that_the_command_still_needs_are_no_values(given, expected):
    assert spread(given.split(), COMMAND) == expected.split()
