from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.core.errors import DataError
from benchmark.data.layout import FOLDERS, PATTERN
from benchmark.data.market1501 import Market1501

Open = Callable[..., Market1501]


def test_reads_jpg_and_png_at_the_wanted_size(market_root: Path, open_market: Open) -> None:
    dataset = open_market(market_root)
    train = dataset.split("train")
    assert train.images.shape == (3, 32, 16, 3)
    assert train.pids.tolist() == [2, 2, 7]
    assert train.camids.tolist() == [1, 2, 1]
    gallery = dataset.split("gallery")
    assert gallery.pids.tolist() == [-1, 0, 3, 3]
    with Image.open(market_root / "bounding_box_train" / train.names[1]) as picture:
        expected = np.asarray(picture.resize((16, 32), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(train.pixels(np.array([1]))[0], expected)


def test_pixels_are_untouched_at_their_own_size(market_root: Path, open_market: Open) -> None:
    train = open_market(market_root, (48, 24)).split("train")
    with Image.open(market_root / "bounding_box_train" / train.names[0]) as picture:
        np.testing.assert_array_equal(train.images[0], np.asarray(picture))


@pytest.mark.parametrize("within", ["Market-1501-v15.09.15", "Market-1501", "market1501"])
def test_the_root_may_hold_the_folder(
    within: str, market_root: Path, open_market: Open, tmp_path: Path
) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    market_root.rename(outer / within)
    assert len(open_market(outer).split("query")) == 2


def test_grey_pictures_become_rgb(market_root: Path, open_market: Open) -> None:
    path = market_root / FOLDERS["train"] / "0007_c1s1_000101_01.jpg"
    Image.new("L", (24, 48), 90).save(path)
    assert open_market(market_root).split("train").images[2].shape == (32, 16, 3)


def test_a_root_is_needed(open_market: Open) -> None:
    with pytest.raises(DataError, match="no root was given") as caught:
        open_market(None).split("train")
    assert "--data-root" in caught.value.hint


def test_a_missing_root_is_named(tmp_path: Path, open_market: Open) -> None:
    with pytest.raises(DataError, match="nowhere"):
        open_market(tmp_path / "nowhere").manifest_sha256()


def test_a_root_without_the_folders_is_refused(tmp_path: Path, open_market: Open) -> None:
    with pytest.raises(DataError, match="holds none of bounding_box_train"):
        open_market(tmp_path).split("train")


@pytest.mark.parametrize("split", ["train", "query", "gallery"])
def test_a_missing_or_empty_split_is_refused(
    split: str, market_root: Path, open_market: Open
) -> None:
    folder = market_root / FOLDERS[split]
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(DataError, match="no images in"):
        open_market(market_root).split(split)
    folder.rmdir()
    with pytest.raises(DataError, match="no folder"):
        open_market(market_root).split(split)


def test_a_set_without_training_images_can_be_tested_on(
    market_root: Path, open_market: Open
) -> None:
    for path in (market_root / FOLDERS["train"]).iterdir():
        path.unlink()
    (market_root / FOLDERS["train"]).rmdir()
    dataset = open_market(market_root)
    assert dataset.manifest_sha256()
    assert len(dataset.split("gallery")) == 4
    assert set(dataset.card()["statistics"]) == {"query", "gallery"}


def test_a_set_without_test_images_can_be_trained_on(market_root: Path, open_market: Open) -> None:
    for split in ("query", "gallery"):
        for path in (market_root / FOLDERS[split]).iterdir():
            path.unlink()
        (market_root / FOLDERS[split]).rmdir()
    dataset = open_market(market_root)
    assert len(dataset.split("train")) == 3
    assert dataset.present() == ("train",)
    assert len(dataset.warnings()) == 1


@pytest.mark.parametrize("damage", ["truncated", "text", "empty"])
def test_a_broken_file_is_named(damage: str, market_root: Path, open_market: Open) -> None:
    path = market_root / FOLDERS["train"] / "0002_c1s1_000451_03.jpg"
    data = path.read_bytes()
    content = {"truncated": data[: len(data) // 2], "text": b"hello", "empty": b""}[damage]
    path.write_bytes(content)
    dataset = open_market(market_root)
    with pytest.raises(DataError, match=path.name) as caught:
        dataset.split("train")
    assert caught.value.hint
    assert len(dataset.unreadable("train")) == 1
    assert len(dataset.split("query")) == 2


def test_a_wrong_name_is_named_with_the_pattern(market_root: Path, open_market: Open) -> None:
    folder = market_root / FOLDERS["gallery"]
    Image.new("RGB", (8, 16)).save(folder / "holiday.jpg")
    with pytest.raises(DataError, match=r"holiday\.jpg") as caught:
        open_market(market_root).split("gallery")
    assert PATTERN in caught.value.what


def test_unusual_data_is_warned_about(
    market_root: Path, open_market: Open, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = open_market(market_root)
    warnings = dataset.warnings()
    assert any("1 training identities have a single image (7)" in line for line in warnings)
    assert any("1 queries have no match" in line for line in warnings)
    with caplog.at_level(logging.WARNING):
        dataset.split("train")
    assert "single image" in caplog.text


def test_queries_must_have_some_match(market_root: Path, open_market: Open) -> None:
    (market_root / FOLDERS["gallery"] / "0003_c2s1_000021_02.jpg").unlink()
    with pytest.raises(DataError, match="no query") as caught:
        open_market(market_root).split("query")
    assert caught.value.hint


def test_the_manifest_follows_the_content(market_root: Path, open_market: Open) -> None:
    first = open_market(market_root).manifest_sha256()
    assert first == open_market(market_root, (8, 8)).manifest_sha256()
    path = market_root / FOLDERS["train"] / "0002_c2s1_000301_01.png"
    Image.new("RGB", (24, 48), (1, 2, 3)).save(path)
    second = open_market(market_root).manifest_sha256()
    assert second != first
    path.rename(path.with_name("0002_c2s1_000302_01.png"))
    assert open_market(market_root).manifest_sha256() not in {first, second}


def test_known_files_are_not_hashed_again(
    market_root: Path, open_market: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_market(market_root).manifest_sha256()
    monkeypatch.setattr(
        "benchmark.data.file_hashes.read_file", lambda path: pytest.fail("read again")
    )
    assert open_market(market_root).manifest_sha256() == first


def test_card(market_root: Path, open_market: Open) -> None:
    card = open_market(market_root).card()
    assert card["statistics"]["train"]["identities_with_one_image"] == 1
    assert card["statistics"]["gallery"]["junk"] == 1
