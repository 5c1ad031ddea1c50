"""What a release is made of says the same everywhere: version, changelog, tools."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

import benchmark

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def constraint(package: str) -> str:
    (found,) = re.findall(rf"^{package}==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M)
    return found


def test_the_version_has_one_source():
    assert "version" not in PYPROJECT["project"]
    assert PYPROJECT["project"]["dynamic"] == ["version"]
    source = PYPROJECT["tool"]["setuptools"]["dynamic"]["version"]
    assert source == {"attr": "benchmark.__version__"}
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", benchmark.__version__)


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == benchmark.__version__


def test_the_changelog_begins_with_this_version():
    """Each version once, the newest first; the one at hand may be unreleased."""
    heads = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    versions = [re.fullmatch(r"(\S+) \((unreleased|\d{4}-\d\d-\d\d)\)", head) for head in heads]
    assert all(versions), heads
    assert versions[0][1] == benchmark.__version__
    assert all(found[2] != "unreleased" for found in versions[1:])
    numbers = [tuple(map(int, re.findall(r"\d+", found[1]))) for found in versions]
    assert numbers == sorted(set(numbers), reverse=True)


def test_no_line_of_the_changelog_stands_twice():
    lines = [one for one in (ROOT / "CHANGELOG.md").read_text().splitlines() if one[:2] == "- "]
    assert len(lines) == len(set(lines))


def test_pre_commit_runs_the_ruff_that_was_tested():
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    (rev,) = [repo["rev"] for repo in repos if "ruff" in repo["repo"]]
    assert rev == f"v{constraint('ruff')}"


def test_pre_commit_lets_through_what_is_committed():
    """No file of the sources is over the size that it refuses."""
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = {hook["id"]: hook for repo in repos for hook in repo["hooks"]}
    (limit,) = hooks["check-added-large-files"]["args"]
    most = 1024 * int(limit.removeprefix("--maxkb="))
    for package in ("attacks", "benchmark", "defenses", "results", "docs", "tests"):
        for path in (ROOT / package).rglob("*"):
            assert not path.is_file() or path.stat().st_size <= most, path
