"""``data verify`` finds what is wrong with a data set, each defect by its own check."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from benchmark.core.progress import SilentProgress
from benchmark.core.registry import DATASETS
from benchmark.data.defect import Defect
from benchmark.data.image_label import SplitCounts
from benchmark.data.synthped.dataset import SynthPedCampus, SynthPedPlaza
from benchmark.data.synthped.known_hashes import KNOWN_SHA256
from benchmark.data.verify import verify_dataset
from tests.dataset_miniatures import MINIATURES, picture

TRAIN, QUERY, GALLERY = "bounding_box_train", "query", "bounding_box_test"
FIRST = "0002_c1s1_000001_01.jpg"


def checked(name: str, root: Path, tmp_path: Path, sha256: str = "", **options) -> list[Defect]:
    plugin = DATASETS.get(name)
    if "acknowledge_withdrawn" in plugin.Config.model_fields:
        options["acknowledge_withdrawn"] = True
    dataset = plugin(
        options,
        image_size=(48, 24),
        root=root,
        cache_dir=tmp_path / "cache",
        progress=SilentProgress(),
        workers=1,
    )
    return verify_dataset(dataset, sha256)


@pytest.fixture
def market(tmp_path: Path) -> Path:
    return MINIATURES["market1501"](tmp_path)


def missing_split(root: Path) -> None:
    shutil.rmtree(root / TRAIN)


def renamed_file(root: Path) -> None:
    (root / TRAIN / FIRST).rename(root / TRAIN / "holiday.jpg")


def truncated_jpeg(root: Path) -> None:
    data = (root / TRAIN / FIRST).read_bytes()
    (root / TRAIN / FIRST).write_bytes(data[: len(data) // 2])


def web_page(root: Path) -> None:
    (root / TRAIN / FIRST).write_bytes(b"<!DOCTYPE html><html><body>Not found</body></html>")


def query_without_identity(root: Path) -> None:
    for path in (root / GALLERY).glob("0004_*"):
        path.unlink()


def identity_in_both(root: Path) -> None:
    picture(root / GALLERY / "0007_c1s1_000900_01.jpg")


def same_picture(root: Path) -> None:
    shutil.copy(root / TRAIN / FIRST, root / GALLERY / "0003_c1s1_000800_01.jpg")


def tiny_picture(root: Path) -> None:
    Image.new("RGB", (4, 9)).save(root / GALLERY / "0003_c1s1_000700_01.jpg")


@pytest.mark.parametrize(
    ("spoil", "level", "check", "what", "mend"),
    [
        (missing_split, "warning", "split", "no train split", "put it beside the others"),
        (renamed_file, "error", "split", "holiday.jpg", "rename or remove"),
        (truncated_jpeg, "error", "unreadable", f"image .*{FIRST}: image file is trunc", "fetch"),
        (web_page, "error", "unreadable", f"{FIRST}: it is a web page", "fetch"),
        (query_without_identity, "warning", "queries", "1 identities of queries .* 0004", "put"),
        (identity_in_both, "error", "identities", "in train and in test: 0007", "disjoint"),
        (same_picture, "error", "duplicates", f"train/{FIRST} and gallery/0003.* same", "remove"),
        (tiny_picture, "warning", "sizes", "1 are smaller than 16x8: 0003_c1", "full size"),
    ],
)
def test_each_defect_is_found_by_its_check(
    spoil: Callable[[Path], None],
    level: str,
    check: str,
    what: str,
    mend: str,
    market: Path,
    tmp_path: Path,
) -> None:
    before = checked("market1501", market, tmp_path)
    assert {one.level for one in before} == {"info", "warning"}
    assert {one.check for one in before if one.level == "warning"} == {"published"}
    spoil(market)
    after = [one for one in checked("market1501", market, tmp_path) if one not in before]
    (found,) = [one for one in after if re.search(what, one.message)]
    assert (found.level, found.check) == (level, check)
    assert mend in found.hint
    assert {one.check for one in after if one.level == "error"} <= {check}


@pytest.mark.parametrize("name", sorted(MINIATURES))
def test_a_miniature_of_each_set_is_sound_but_for_its_counts(name: str, tmp_path: Path) -> None:
    found = checked(name, MINIATURES[name](tmp_path), tmp_path)
    told = [one for one in found if one.level != "info"]
    assert {one.check for one in told} <= {"published", "single", "split", "queries"}
    assert {one.level for one in told} <= {"warning"}
    if DATASETS.get(name).published:
        assert any(one.check == "published" for one in told)


def test_counts_are_those_of_the_paper_or_told(
    market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = {
        "train": SplitCounts(18, 3, 3),
        "query": SplitCounts(2, 2, 1),
        "gallery": SplitCounts(8, 2, 3),
    }
    monkeypatch.setattr(DATASETS.get("market1501"), "published", right)
    assert {one.level for one in checked("market1501", market, tmp_path)} == {"info"}
    (market / TRAIN / FIRST).unlink()
    (told,) = [one for one in checked("market1501", market, tmp_path) if one.level != "info"]
    assert told.message == (
        "train: 17 images, 3 identities, 3 cameras, "
        "where 18 images, 3 identities, 3 cameras are published"
    )
    assert "fetch the whole set" in told.hint


def test_the_hash_is_compared_with_the_one_given(market: Path, tmp_path: Path) -> None:
    def manifest(sha256: str = "") -> Defect:
        found = checked("market1501", market, tmp_path, sha256)
        return next(one for one in found if one.check == "manifest")

    hash_ = manifest().message.split()[5].rstrip(";")
    assert len(hash_) == 64
    assert manifest(hash_).message.endswith("the one given")
    assert manifest(hash_[:12].upper()).level == "info"
    picture(market / TRAIN / "0002_c1s1_000077_01.jpg")
    assert manifest(hash_).level == "error"


@pytest.mark.parametrize(("name", "size"), sorted(KNOWN_SHA256))
def test_known_hashes_are_those_of_the_rendered_sets(name: str, size: str, tmp_path: Path) -> None:
    kind = {"synthped-plaza": SynthPedPlaza, "synthped-campus": SynthPedCampus}[name]

    def opened(**options):
        return kind({"size": size}, cache_dir=tmp_path, progress=SilentProgress(), **options)

    assert opened().known_sha256() == opened().manifest_sha256()
    assert opened(image_size=(16, 8)).known_sha256() == ""
