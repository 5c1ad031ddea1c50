"""Runs on data sets from several roots, and on several data sets as one."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from benchmark.api.loading import load_images
from benchmark.core.errors import DataError, UsageError
from benchmark.core.progress import SilentProgress
from benchmark.data.layout import FOLDERS
from benchmark.runner.choice import choose
from benchmark.runner.datasets import RunDatasets
from benchmark.runner.plan import make_plan
from benchmark.runner.preview import preview
from benchmark.runner.run import run_benchmark
from tests.dataset_miniatures import MINIATURES
from tests.tiny_scene import image_set

JOINT = "tiny+tiny-other"


@pytest.fixture
def parent(tmp_path, monkeypatch):
    """The folder that the environment names; it holds Market-1501."""
    images = image_set(identities=4, per_camera=3, size=(16, 8))
    folders = (FOLDERS["query"], FOLDERS["gallery"], FOLDERS["gallery"])
    for row, name in enumerate(images.names):
        folder = tmp_path / "data" / "market1501" / folders[row % 3]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images.images[row]).save(folder / name)
    monkeypatch.setenv("REID_ROBUSTBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_a_set_of_the_environment_is_tested_on_beside_another(tiny_config, parent):
    config = tiny_config(attack=["metric-fgsm"], test_dataset=["market1501"])
    assert preview(config).found["market1501"] == str(parent / "market1501")
    ((record, _),) = run_benchmark(config, SilentProgress()).records
    assert [one.dataset for one in record.cross_dataset] == ["market1501"]


@pytest.mark.parametrize(
    ("root", "what", "hint"),
    [
        ("market1502=/data", "unknown data set 'market1502'", "market1501"),
        ("market1501=/data", "market1501, which is not read here", "leave out"),
    ],
)
def test_a_root_of_another_set_is_refused(tiny_config, root, what, hint):
    with pytest.raises(UsageError, match=what) as caught:
        preview(tiny_config(data_root=[root]))
    assert hint in caught.value.hint


def test_sets_are_trained_on_together_and_tested_on_each(tiny_config):
    config = tiny_config(dataset=["tiny", "tiny-other"], attack=["metric-fgsm"])
    ((record, path),) = run_benchmark(config, SilentProgress()).records
    assert record.dataset == JOINT
    assert path.is_file()
    assert record.clean.queries == 24
    assert [one.dataset for one in record.cross_dataset] == ["tiny", "tiny-other"]
    assert [one.clean.queries for one in record.cross_dataset] == [12, 12]


def test_a_single_set_in_a_list_changes_no_fingerprint(tiny_config):
    def prints(dataset, **options):
        config = tiny_config(dataset=dataset, test_dataset=["none"], **options)
        choice = choose(config)
        manifests = dict.fromkeys((*choice.sources, "tiny", "tiny-other"), "a" * 64)
        plan = make_plan(config, choice, manifests)
        return plan.protocol, [cell.fingerprint for cell in plan.cells]

    assert prints(["tiny"], data_root="/data") == prints("tiny")
    assert prints(["tiny", "tiny-other"])[0] != prints("tiny")[0]


def test_what_was_trained_on_is_no_other_data(tiny_config, tmp_path):
    plugins = ["tests/plugins/tiny.py", "tests/plugins/tiny_attacks.py"]
    config = tiny_config(dataset=JOINT, attack=["tiny-transfer"], plugin=plugins)
    with pytest.raises(UsageError, match="needs a surrogate of another data set"):
        choose(config)


REAL = ("market1501", "msmt17", "cuhk03-np")


@pytest.fixture
def miniatures(tmp_path, monkeypatch):
    """A parent of three data sets, which the environment names."""
    for name in REAL:
        MINIATURES[name](tmp_path / "sets")
    monkeypatch.setenv("REID_ROBUSTBENCH_DATA", str(tmp_path / "sets"))
    return tmp_path / "sets"


@pytest.mark.parametrize("pair", [REAL[:2], REAL[:0:-1]], ids=" → ".join)
def test_any_ordered_pair_is_found_in_one_parent(tiny_config, miniatures, pair):
    trained, tested = pair
    shown = preview(tiny_config(dataset=trained, test_dataset=[tested]))
    assert shown.missing == []
    assert list(shown.found) == [trained, tested]
    assert {Path(path).parent for path in shown.found.values()} == {miniatures}
    assert {cell.title for cell in shown.cells} >= {f"train {trained}", f"clean {tested}"}


def test_python_takes_roots_by_name(miniatures, monkeypatch):
    monkeypatch.delenv("REID_ROBUSTBENCH_DATA")
    given = {"image_size": (16, 8), "data_root": {"market1501": miniatures}}
    images, pids, _ = load_images("market1501", "query", **given)
    assert len(images) == len(pids) == 2
    with pytest.raises(DataError, match="no root was given"):
        load_images("market1501", "query")


def test_sets_on_disk_are_joined_with_identity_0_of_one_kept(tiny_config, miniatures):
    config = tiny_config(dataset="market1501,msmt17", test_dataset=["none"])
    datasets = RunDatasets(config, choose(config), SilentProgress())
    train = datasets.split("market1501+msmt17", "train")
    assert train.identities.tolist() == [2, 7, 10, 11, 12], "offset by all of market1501"
    people = datasets.split("market1501+msmt17", "gallery")
    assert people.junk.sum() == people.distractor.sum() == 1
