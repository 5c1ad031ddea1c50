"""Every third-party import is declared in pyproject.toml, where it is needed, and none in vain."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("benchmark", "attacks", "defenses", "results")
OURS = {*PACKAGES, "tests"}
DISTRIBUTION_OF = {name: owners[0] for name, owners in packages_distributions().items()}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

OPTIONAL = {
    "accelerate",
    "cuhk03",
    "experiments",
    "notebook",
    "onnx",
    "ray",
    "tensorboard",
    "timm",
    "torchattacks",
}
"""Extras for what modules import on demand."""


def normal(requirement: str) -> str:
    """Return the distribution that a requirement names, as the index spells it."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name is not None
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def declared(*extras: str) -> set[str]:
    """Return the distributions that the project asks for, with some extras."""
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][e] for e in extras)]
    return {normal(one) for requirements in lists for one in requirements}


def imported(packages: Iterable[str]) -> set[str]:
    """Return the distributions whose modules some packages import, inside functions, too."""
    modules: set[str] = set()
    for package in packages:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    modules.update(alias.name.split(".")[0] for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    modules.add((node.module or "").split(".")[0])
    foreign = modules - OURS - sys.stdlib_module_names
    return {normal(DISTRIBUTION_OF.get(module, module)) for module in foreign}


def test_every_import_of_the_packages_is_declared() -> None:
    assert imported(PACKAGES) <= declared(*OPTIONAL)


def test_every_import_of_the_tests_is_declared() -> None:
    assert imported(["tests"]) <= declared("test", *OPTIONAL)


def test_nothing_is_declared_in_vain() -> None:
    assert declared(*OPTIONAL) <= imported(PACKAGES)


@pytest.mark.parametrize("extra", sorted(OPTIONAL))
def test_what_is_optional_is_no_core_dependency(extra: str) -> None:
    assert not declared() & {normal(one) for one in PROJECT["optional-dependencies"][extra]}


def test_constraints_pin_everything_declared() -> None:
    pinned = {normal(line) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert declared(*PROJECT["optional-dependencies"]) - {normal(PROJECT["name"])} <= pinned


def test_the_reader_of_requirements_reads() -> None:
    assert normal("Types_PyYAML[x]>=1; python_version > '3'") == "types-pyyaml"
