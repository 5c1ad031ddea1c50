"""Where data sets are found: by name, in a parent folder, in the folder itself."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import ClassVar

import pytest

from benchmark.core.errors import DataError, UsageError
from benchmark.data.market1501 import Market1501
from benchmark.data.roots import FoundRoot, RootSearch
from benchmark.data.synthped.dataset import SynthPedPlaza


class OtherLayout(Market1501):
    """A second data set of the same layout."""

    name: ClassVar[str] = "other"
    folder_names: ClassVar[tuple[str, ...]] = ("Other-ReID",)


BOTH = {"market1501": Market1501, "other": OtherLayout}


def find(sets, *folders, further=(), **named):
    return RootSearch(named, folders, further, "THE_VARIABLE").find(sets)


def find_market(*folders, **options) -> FoundRoot:
    return find({"market1501": Market1501}, *folders, **options)["market1501"]


@pytest.fixture
def parent(market_root: Path, tmp_path: Path) -> Path:
    """A folder that holds both data sets by their usual names, in other letters."""
    folder = tmp_path / "parent"
    folder.mkdir()
    shutil.copytree(market_root, folder / "market-1501-V15.09.15")
    shutil.copytree(market_root, folder / "OTHER-reid")
    return folder


def test_the_folder_itself_a_parent_and_a_name(market_root, parent):
    assert find_market(market_root).path == market_root
    assert find_market(parent).path == parent / "market-1501-V15.09.15"
    assert find_market(market1501=market_root).path == market_root
    assert find_market(market1501=parent).path == parent / "market-1501-V15.09.15"
    assert find_market(further=[parent]).path == parent / "market-1501-V15.09.15"


def test_a_name_wins_over_folders_and_they_over_the_environment(market_root, parent):
    found = find(BOTH, parent, further=[market_root], market1501=market_root)
    assert found["market1501"].path == market_root
    assert found["other"].path == parent / "OTHER-reid"
    found = find(BOTH, parent / "OTHER-reid", further=[parent])
    assert found["market1501"].problem, "a folder of another set's name is not taken"
    found = find(BOTH, further=[parent], other=market_root)
    assert found["market1501"].path == parent / "market-1501-V15.09.15"


def test_a_folder_that_could_be_either_is_refused(market_root):
    with pytest.raises(UsageError, match="could be market1501 or other") as caught:
        find(BOTH, market_root)
    assert f"--data-root market1501={market_root}" in caught.value.hint


def test_what_was_tried_is_told(tmp_path):
    (tmp_path / "empty").mkdir()
    problem = find_market(tmp_path / "empty", further=[tmp_path / "nowhere"]).problem
    assert "empty holds none of" in problem.what
    assert "no folder" in problem.what
    assert "tried" in problem.hint
    assert "Market-1501-v15.09.15" in problem.hint
    problem = find_market().problem
    assert "no root was given" in problem.what
    assert "THE_VARIABLE" in problem.hint
    half = tmp_path / "Market-1501"
    half.mkdir()
    assert "Market-1501 holds none of" in find_market(tmp_path).problem.what


def test_a_root_that_is_of_no_use_is_refused(market_root, parent, tmp_path):
    rendered = {"synthped-plaza": SynthPedPlaza}
    with pytest.raises(UsageError, match="is rendered and would not look into"):
        find(rendered, market_root)
    with pytest.raises(UsageError, match="is rendered and would not look into"):
        find({**rendered, **BOTH}, **{"synthped-plaza": market_root})
    with pytest.raises(UsageError, match="other, which is not read here") as caught:
        find_market(parent, other=parent)
    assert "--data-root other=DIR" in caught.value.hint
    with pytest.raises(DataError, match="wrong holds none of the data sets"):
        find_market(tmp_path / "wrong", further=[parent])
    assert find(rendered, further=[parent])["synthped-plaza"].path is None
