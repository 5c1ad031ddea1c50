"""Workflows and templates of the host: they parse, are pinned, and ask for no secret."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github"
WORKFLOWS = sorted((FOLDER / "workflows").glob("*.yml"))
TEMPLATES = sorted((FOLDER / "ISSUE_TEMPLATE").glob("*.yml"))


def by_name(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("path", WORKFLOWS, ids=by_name)
def test_a_workflow_is_pinned_and_may_only_read(path: Path) -> None:
    text = path.read_text()
    content = yaml.safe_load(text)
    assert content["permissions"] == {"contents": "read"}
    assert "secrets." not in text
    assert "pull_request_target" not in text, "it would run with more rights than it needs"
    for job in content["jobs"].values():
        assert job["timeout-minutes"] <= 30
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+\.\d+\.\d+", step["uses"])
            assert "${{" not in step.get("run", ""), "what others name goes through the environment"


@pytest.mark.parametrize("path", WORKFLOWS, ids=by_name)
def test_the_modules_that_a_workflow_runs_are_there(path: Path) -> None:
    for name in re.findall(r"python -m ([\w.]+)", path.read_text()):
        assert importlib.util.find_spec(name) is not None, name


def test_ci_runs_what_the_repository_runs() -> None:
    ci = yaml.safe_load((FOLDER / "workflows" / "ci.yml").read_text())
    assert ".ci/run" in [step.get("run") for step in ci["jobs"]["test"]["steps"]]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100


@pytest.mark.parametrize("path", TEMPLATES, ids=by_name)
def test_a_form_asks_for_something(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    if path.name == "config.yml":
        return
    assert content["name"]
    assert content["description"]
    ids = [part["id"] for part in content["body"]]
    assert len(set(ids)) == len(ids)
    assert all(part["attributes"]["label"] for part in content["body"])
