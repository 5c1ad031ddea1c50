"""``data_root``: every way to write it, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmark.config.data_roots import DataRoots, data_roots, folders_of_environment
from benchmark.config.load import load_run_config, to_yaml
from benchmark.core.errors import UsageError

A, B = Path("/data/a"), Path("/data/b")


@pytest.mark.parametrize(
    ("given", "folders", "named"),
    [
        (None, (), {}),
        ("/data/a", (A,), {}),
        (A, (A,), {}),
        (["/data/a", "/data/b", A], (A, B), {}),
        ("market1501=/data/a", (), {"market1501": A}),
        ({"market1501": "/data/a", "msmt17": B}, (), {"market1501": A, "msmt17": B}),
        (["/data/a", "msmt17=/data/b"], (A,), {"msmt17": B}),
        (["/data/a", {"msmt17": "/data/b"}], (A,), {"msmt17": B}),
        ("/data/a=b", (Path("/data/a=b"),), {}),
        ("./a=b", (Path.cwd() / "a=b",), {}),
        ("market1501=~/x", (), {"market1501": Path.home() / "x"}),
    ],
)
def test_what_is_written_is_read_and_can_be_written_again(given, folders, named):
    roots = data_roots(given)
    assert roots == DataRoots(folders, named)
    assert data_roots(roots.written()) == roots


def test_the_resolved_configuration_has_the_same_roots(tmp_path):
    told = load_run_config({"defense": ["none"], "data_root": ["/data/a", "msmt17=/data/b"]})
    (tmp_path / "config.yaml").write_text(to_yaml(told))
    again = load_run_config({"preset": str(tmp_path / "config.yaml")})
    assert again.data_root == told.data_root
    assert "data_root: null" in to_yaml(load_run_config({"defense": ["none"]}))


@pytest.mark.parametrize(
    ("given", "what", "hint"),
    [
        ("", "the path is empty", "correct data_root"),
        ("market1501=", "the path is empty", "correct data_root"),
        ("=/data/a", "no name before =", "correct data_root"),
        (3, "a root is a folder", "correct data_root"),
        (["market1501=/data/a", "market1501=/data/b"], "two roots are given", "keep one"),
    ],
)
def test_bad_roots_are_told(given, what, hint):
    with pytest.raises(UsageError, match=what) as caught:
        load_run_config({"defense": ["none"], "data_root": given})
    assert hint in caught.value.hint


def test_the_environment_names_folders(monkeypatch):
    monkeypatch.delenv("REID_ROBUSTBENCH_DATA", raising=False)
    assert folders_of_environment() == ()
    monkeypatch.setenv("REID_ROBUSTBENCH_DATA", f"/data/a{os.pathsep}{os.pathsep}/data/b")
    assert folders_of_environment() == (A, B)
    for empty in ("", " ", os.pathsep):
        monkeypatch.setenv("REID_ROBUSTBENCH_DATA", empty)
        with pytest.raises(UsageError, match="REID_ROBUSTBENCH_DATA is set and names no"):
            folders_of_environment()


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("market1501", "market1501"),
        ("market1501,msmt17", "market1501+msmt17"),
        ("market1501+msmt17", "market1501+msmt17"),
        (["market1501", "msmt17"], "market1501+msmt17"),
    ],
)
def test_several_data_sets_have_one_name_and_are_each_tested_on(given, name):
    config = load_run_config({"defense": ["none"], "dataset": given})
    assert config.dataset == name
    several = "+" in name
    assert config.test_datasets == (["market1501", "msmt17"] if several else [])


@pytest.mark.parametrize("given", ["market1501,market1501", [], "", ["market1501", 3], 5])
def test_bad_lists_of_data_sets_are_told(given):
    with pytest.raises(UsageError, match="data set"):
        load_run_config({"defense": ["none"], "dataset": given})
