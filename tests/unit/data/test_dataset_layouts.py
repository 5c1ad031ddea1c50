"""Every data set reads a miniature of its layout."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmark.config.load import load_run_config
from benchmark.core.errors import DataError, UsageError
from benchmark.core.fingerprint import fingerprint, sha256_file
from benchmark.core.progress import SilentProgress
from benchmark.core.registry import DATASETS
from benchmark.data.dataset import Dataset
from benchmark.data.disk_dataset import DiskDataset
from benchmark.data.layout import SPLITS
from benchmark.data.make import make_dataset
from benchmark.runner.choice import choose
from benchmark.runner.datasets import RunDatasets
from tests import dataset_miniatures as miniatures
from tests.dataset_miniatures import MINIATURES

ON_DISK = sorted(MINIATURES)
OPTIONS: dict[str, dict[str, Any]] = {
    name: {"acknowledge_withdrawn": True} for name in ("dukemtmcreid", "occluded-duke")
}

Open = Callable[..., Dataset]


@pytest.fixture(name="opened")
def open_fixture(tmp_path: Path) -> Open:
    def opened(name: str, root: Path, **options: object) -> Dataset:
        return DATASETS.get(name)(
            {**OPTIONS.get(name, {}), **options},
            image_size=(16, 8),
            root=root,
            cache_dir=tmp_path / "cache",
            progress=SilentProgress(),
            workers=1,
        )

    return opened


def test_there_is_a_miniature_of_every_data_set_on_disk() -> None:
    on_disk = {name for name in DATASETS.names() if issubclass(DATASETS.get(name), DiskDataset)}
    assert on_disk == set(MINIATURES)


def test_data_sets_are_imported_without_torch() -> None:
    code = (
        "import sys; from benchmark.core.registry import DATASETS\n"
        "for name in DATASETS.names(): DATASETS.get(name)\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'scipy', 'h5py')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ON_DISK)
def test_the_miniature_is_read(name: str, opened: Open, tmp_path: Path) -> None:
    root = MINIATURES[name](tmp_path / "data")
    dataset = opened(name, root)
    splits = dataset.present()
    assert splits == (SPLITS[1:] if name == "occluded-reid" else SPLITS)
    for split in splits:
        images, labels = dataset.split(split), dataset.labels(split)
        assert images.names == dataset.names(split) == tuple(sorted(one.name for one in labels))
        assert images.pids.tolist() == [one.pid for one in labels]
        assert images.camids.min() >= 0
        if split != "gallery":
            assert images.people.all()
        assert [name for name, _ in dataset.files(split)] == list(images.names)
    query, gallery = dataset.split("query"), dataset.split("gallery")
    for pid, camid in zip(query.pids, query.camids, strict=True):
        same = gallery.people & (gallery.pids == pid)
        assert (same & (gallery.camids != camid)).any()
    if "train" in splits:
        test = np.union1d(query.identities, gallery.identities)
        assert not np.isin(dataset.split("train").identities, test).any()
    card = dataset.card()
    assert card["title"]
    assert card["paper"] if dataset.published else card["description"]
    assert dataset.source
    assert opened(name, root).manifest_sha256() == dataset.manifest_sha256()
    assert dataset.manifest_sha256() != ""


@pytest.mark.parametrize("name", ON_DISK)
def test_a_folder_of_something_else_is_told(name: str, opened: Open, tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    with pytest.raises(DataError, match="holiday holds none of") as caught:
        opened(name, tmp_path / "holiday").present()
    assert "--data-root" in caught.value.hint


@pytest.mark.parametrize("name", ON_DISK)
def test_the_parent_of_a_usual_name_will_do(name: str, opened: Open, tmp_path: Path) -> None:
    root = MINIATURES[name](tmp_path / "data")
    dataset = DATASETS.get(name)
    if dataset.folder_names:
        assert opened(name, tmp_path / "data").manifest_sha256() == (
            opened(name, root).manifest_sha256()
        )


@pytest.mark.parametrize("name", ON_DISK)
def test_the_manifest_follows_the_files(name: str, opened: Open, tmp_path: Path) -> None:
    root = MINIATURES[name](tmp_path / "data")
    dataset = opened(name, root)
    before = dataset.manifest_sha256()
    path = dataset.image_folder / dataset._paths("query")[0]
    Image.new("RGB", (24, 48), (1, 2, 3)).save(path)
    assert opened(name, root).manifest_sha256() != before


def test_the_manifest_of_market_is_that_of_its_files_alone(opened: Open, tmp_path: Path) -> None:
    root = miniatures.market1501(tmp_path)
    content = sorted(
        [str(path.relative_to(root)), path.stat().st_size, sha256_file(path)]
        for folder in ("bounding_box_train", "query", "bounding_box_test")
        for path in (root / folder).glob("*.jpg")
    )
    expected = fingerprint({"layout": "market1501", "files": content})
    assert opened("market1501", root).manifest_sha256() == expected


def test_the_distractors_of_market_are_added_when_asked_for(opened: Open, tmp_path: Path) -> None:
    root = miniatures.market1501(tmp_path, distractors=True)
    plain, more = opened("market1501", root), opened("market1501", root, distractors_500k=True)
    added = more.split("gallery")
    assert len(added) == len(plain.split("gallery")) + 3
    assert added.distractor.sum() == 1 + 3
    assert added.junk.sum() == 1
    assert plain.manifest_sha256() != more.manifest_sha256()
    assert more.expected()["gallery"].images == 519_732
    (root / "images").rename(root / "away")
    with pytest.raises(DataError, match="no folder of the 500,000 distractors"):
        opened("market1501", root, distractors_500k=True).names("gallery")


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_both_versions_of_msmt17(version: int, newline: str, opened: Open, tmp_path: Path) -> None:
    dataset = opened("msmt17", miniatures.msmt17(tmp_path, version, newline))
    train, query = dataset.split("train"), dataset.split("query")
    assert train.identities.tolist() == [0, 1]
    assert len(train) == 2 * 3 + 2
    assert set(train.camids.tolist()) == {1, 2, 14, 15}
    assert query.identities.tolist() == [10_000, 10_001]
    assert not query.junk.any()
    assert not dataset.split("gallery").distractor.any()


def test_the_validation_list_of_msmt17_can_be_left_out(opened: Open, tmp_path: Path) -> None:
    root = miniatures.msmt17(tmp_path)
    without = opened("msmt17", root, validation=False)
    assert len(without.names("train")) == 6
    assert "train" not in without.expected()
    (root / "list_val.txt").unlink()
    with pytest.raises(DataError, match=r"list_val\.txt"):
        opened("msmt17", root).names("train")


def test_list_files_that_name_absent_files_are_told(opened: Open, tmp_path: Path) -> None:
    root = miniatures.msmt17(tmp_path)
    path = root / "train" / "0000" / "0000_000_01_0303morning_0008_0.jpg"
    path.rename(path.with_name("renamed.jpg"))
    with pytest.raises(DataError, match="1 of 8 images that are named are not in") as caught:
        opened("msmt17", root).names("train")
    assert f"train/0000/{path.name}" in caught.value.what
    assert len(opened("msmt17", root, on_corrupt="skip").names("train")) == 7


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("0000/0000_000_01_0303morning_0008_0.jpg", "is not a path and an identity"),
        ("0000/0000_000_01_0303morning_0008_0.jpg zero", "is not a path and an identity"),
        ("../0000_000_01_0303morning_0008_0.jpg 0", "is not a path and an identity"),
        ("/data/0000_000_01_0303morning_0008_0.jpg 0", "is not a path and an identity"),
        ("0000/first.jpg 0", "does not give its camera"),
    ],
)
def test_lines_of_list_files_are_checked(
    line: str, part: str, opened: Open, tmp_path: Path
) -> None:
    root = miniatures.msmt17(tmp_path)
    (root / "list_query.txt").write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=part) as caught:
        opened("msmt17", root).names("query")
    assert "list_query.txt" in caught.value.what
    assert caught.value.hint


def test_half_of_msmt17_is_told(opened: Open, tmp_path: Path) -> None:
    root = miniatures.msmt17(tmp_path)
    (root / "test").rename(root / "elsewhere")
    assert opened("msmt17", root).names("train")
    with pytest.raises(DataError, match="holds neither test nor mask_test_v2"):
        opened("msmt17", root).names("query")


@pytest.mark.parametrize("name", ["dukemtmcreid", "occluded-duke"])
def test_withdrawn_data_sets_are_read_on_demand(name: str, opened: Open, tmp_path: Path) -> None:
    root = MINIATURES[name](tmp_path)
    unasked = opened(name, root, acknowledge_withdrawn=False)
    assert unasked.present() == SPLITS  # where it lies may be told
    with pytest.raises(UsageError, match="withdrew") as caught:
        unasked.split("query")
    assert f"--set dataset_config.{name}.acknowledge_withdrawn=true" in caught.value.hint
    assert unasked.restricted


def test_boxes_of_cuhk03_are_chosen(opened: Open, tmp_path: Path) -> None:
    root = miniatures.cuhk03_np(tmp_path)
    detected, labelled = (opened("cuhk03-np", root, boxes=b) for b in ("detected", "labelled"))
    assert detected.manifest_sha256() != labelled.manifest_sha256()
    assert detected.expected()["train"].images == 7_365
    assert labelled.expected()["train"].images == 7_368
    with pytest.raises(DataError) as caught:
        opened("cuhk03-np", root / "detected" / "query").names("train")
    assert caught.value.hint


@pytest.mark.parametrize("boxes", ["detected", "labelled"])
def test_the_archive_of_cuhk03_is_unpacked_once(boxes: str, opened: Open, tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    root = miniatures.cuhk03_archive(tmp_path)
    dataset = opened("cuhk03-np", root, boxes=boxes)
    assert dataset.present() == SPLITS
    assert not (tmp_path / "cache").exists()  # to look is not to unpack
    train, query, gallery = (dataset.split(split) for split in SPLITS)
    assert len(train) == 2 * 8
    assert train.identities.tolist() == [1, 2]
    assert query.identities.tolist() == gallery.identities.tolist() == [3, 4, 5]
    assert len(query) == 3 * 2
    assert set(query.camids.tolist()) == {1, 2}
    assert query.names[0] == "1_003_1_01.png"
    import h5py

    kind = {"detected": "detected", "labelled": "labeled"}[boxes]
    with h5py.File(root / "cuhk03_release" / "cuhk-03.mat") as file:
        pixels = file[f"#refs#/{kind}1_2_0"][:].T
    assert pixels.shape == (48, 24, 3)
    (folder,) = [path for path in (tmp_path / "cache").iterdir() if f"-{kind}-" in path.name
                 and path.is_dir()]  # fmt: skip
    with Image.open(folder / "1_003_1_01.png") as stored:
        np.testing.assert_array_equal(np.asarray(stored), pixels)
    before = (folder / "1_003_1_01.png").stat().st_mtime_ns
    assert opened("cuhk03-np", root, boxes=boxes).manifest_sha256() == dataset.manifest_sha256()
    assert (folder / "1_003_1_01.png").stat().st_mtime_ns == before


@pytest.mark.parametrize("module", ["h5py", "scipy.io"])
def test_the_archive_of_cuhk03_needs_an_extra(
    module: str, opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("h5py")
    root = miniatures.cuhk03_archive(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DataError, match=f"needs {module.split('.')[0]}") as caught:
        opened("cuhk03-np", root).split("train")
    assert "reid-robustbench[cuhk03]" in caught.value.hint


@pytest.mark.parametrize("damaged", ["cuhk-03.mat", "cuhk03_new_protocol_config_detected.mat"])
def test_a_damaged_archive_of_cuhk03_is_told(damaged: str, opened: Open, tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    root = miniatures.cuhk03_archive(tmp_path)
    (path,) = root.rglob(damaged)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match="cannot read") as caught:
        opened("cuhk03-np", root).split("train")
    assert damaged in caught.value.what
    path.unlink()
    with pytest.raises(DataError):
        opened("cuhk03-np", root).split("train")
    assert not [p for p in (tmp_path / "cache").glob("*") if p.is_dir()]


def test_backgrounds_of_personx_may_lie_apart(opened: Open, tmp_path: Path) -> None:
    dataset = opened("personx", miniatures.personx(tmp_path, backgrounds=True))
    names = dataset.split("query").names
    assert names == ("1/0003_c1s1_01.jpg", "1/0004_c1s1_01.jpg", "2/0003_c1s1_01.jpg",
                     "2/0004_c1s1_01.jpg")  # fmt: skip
    assert len(dataset.split("train")) == 2 * 18


def test_occluded_reid_is_for_testing(opened: Open, tmp_path: Path) -> None:
    root = miniatures.occluded_reid(tmp_path)
    with pytest.raises(DataError, match="no train split") as caught:
        opened("occluded-reid", root).names("train")
    assert "--test-dataset occluded-reid" in caught.value.hint
    flat = tmp_path / "flat"
    for path in root.rglob("*.tif"):
        target = flat / path.parent.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    assert opened("occluded-reid", flat).split("gallery").pids.tolist() == [1, 1, 2, 2, 3, 3]


def test_two_cameras_are_halved_at_random(opened: Open, tmp_path: Path) -> None:
    root = miniatures.viper(tmp_path)
    halves = set()
    for trial in range(8):
        dataset = opened("viper", root, trial=trial)
        train = dataset.split("train").identities.tolist()
        assert len(train) == 3
        assert len(dataset.names("train")) == 2 * 3
        assert sorted([*train, *dataset.split("query").identities.tolist()]) == list(range(6))
        halves.add(tuple(train))
    assert len(halves) > 1
    everybody = opened("viper", root, test_only=True)
    assert everybody.present() == ("query", "gallery")
    assert len(everybody.names("query")) == 6
    assert everybody.expected()["query"].images == 632


def test_people_of_one_camera_are_in_the_gallery(opened: Open, tmp_path: Path) -> None:
    gallery = opened("grid", miniatures.grid(tmp_path)).split("gallery")
    assert gallery.distractor.sum() == 2
    gallery = opened("prid2011", miniatures.prid2011(tmp_path)).split("gallery")
    assert 700 in gallery.identities.tolist()


def test_two_cameras_without_a_common_person_are_told(opened: Open, tmp_path: Path) -> None:
    miniatures.picture(tmp_path / "cam_a" / "1.png")
    miniatures.picture(tmp_path / "cam_b" / "2.png")
    with pytest.raises(DataError, match="0 people are in both cam_a and cam_b"):
        opened("two-cameras", tmp_path).names("query")
    miniatures.picture(tmp_path / "cam_b" / "nobody.png")
    with pytest.raises(DataError, match="does not give an identity"):
        opened("two-cameras", tmp_path).names("query")


@pytest.mark.parametrize("name", ["msmt17", "viper", "folder", "market1501"])
def test_what_make_writes_reads_back(name: str, opened: Open, tmp_path: Path) -> None:
    dataset = opened(name, MINIATURES[name](tmp_path / "data"))
    written = opened("folder", make_dataset(dataset, tmp_path / "out", SilentProgress()))
    assert (written.root / "labels.csv").exists() == (name != "market1501")
    for split in dataset.present():
        before, after = dataset.split(split), written.split(split)
        np.testing.assert_array_equal(before.images, after.images)
        np.testing.assert_array_equal(before.pids[before.people], after.pids[after.people])
        for part in ("camids", "junk", "distractor"):
            np.testing.assert_array_equal(getattr(before, part), getattr(after, part))


def test_names_of_options_are_checked_and_reach_the_run(tmp_path: Path) -> None:
    root = miniatures.msmt17(tmp_path)
    given = {"defense": ["none"], "dataset": "msmt17", "test_dataset": ["none"], "data_root": root}

    def opened(*assignments: str) -> RunDatasets:
        config = load_run_config({**given, "cache_dir": tmp_path / "cache"}, assignments)
        return RunDatasets(config, choose(config), SilentProgress())

    assert opened().count("msmt17", "train") == 8
    assert opened("dataset_config.msmt17.validation=false").count("msmt17", "train") == 6
    with pytest.raises(UsageError, match="valdation"):
        opened("dataset_config.msmt17.valdation=false")
    with pytest.raises(UsageError, match="msmt71"):
        opened("dataset_config.msmt71.validation=false")
