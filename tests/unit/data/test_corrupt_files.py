"""Files that cannot be decoded: named and fatal, or counted, named and left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.config.load import load_run_config
from benchmark.core.errors import EXIT_DATA, DataError
from benchmark.core.progress import SilentProgress
from benchmark.core.registry import DATASETS
from benchmark.data import corrupt
from benchmark.data.corrupt import skipped_line
from benchmark.data.layout import FOLDERS
from benchmark.data.market1501 import Market1501
from benchmark.runner.datasets import open_dataset

BROKEN = "0002_c2s1_000301_01.png"


def open_market(root: Path, cache: Path, on_corrupt: str) -> Market1501:
    return Market1501(
        {"on_corrupt": on_corrupt},
        image_size=(32, 16),
        root=root,
        cache_dir=cache,
        progress=SilentProgress(),
        workers=1,
    )


def damage(root: Path, name: str = BROKEN, split: str = "train") -> Path:
    path = root / FOLDERS[split] / name  # type: ignore[index]
    path.write_bytes(path.read_bytes()[:100])
    return path


def test_by_default_it_is_fatal_and_the_mend_names_the_option(
    market_root: Path, tmp_path: Path
) -> None:
    damage(market_root)
    with pytest.raises(DataError, match=BROKEN) as caught:
        open_market(market_root, tmp_path / "cache", "fail").split("train")
    assert caught.value.exit_code == EXIT_DATA == 3
    assert "--set on_corrupt=skip" in caught.value.hint


def test_skipping_is_as_if_the_file_were_not_there(market_root: Path, tmp_path: Path) -> None:
    sound = open_market(market_root, tmp_path / "cache", "skip").manifest_sha256()
    assert sound == open_market(market_root, tmp_path / "cache", "fail").manifest_sha256()
    path = damage(market_root)
    skipping = open_market(market_root, tmp_path / "cache", "skip")
    failing = open_market(market_root, tmp_path / "cache", "fail")
    assert skipping.split("train").pids.tolist() == [2, 7]
    assert skipping.unreadable("train") == []
    assert len({sound, skipping.manifest_sha256(), failing.manifest_sha256()}) == 3
    path.unlink()
    without = open_market(market_root, tmp_path / "cache", "fail")
    assert without.manifest_sha256() == skipping.manifest_sha256()
    assert without.names("train") == skipping.names("train")


def test_one_warning_counts_and_names_the_files(market_root: Path, tmp_path: Path) -> None:
    damage(market_root)
    damage(market_root, "0000_c1s1_000151_01.jpg", "gallery")
    warnings = open_market(market_root, tmp_path / "cache", "skip").warnings()
    found = [line for line in warnings if "cannot be decoded" in line]
    assert len(found) == 1
    assert found[0].startswith("2 files cannot be decoded and are left out: ")
    assert f"bounding_box_train/{BROKEN}" in found[0]
    assert "bounding_box_test/0000_c1s1_000151_01.jpg" in found[0]


def test_a_long_list_is_counted_in_full() -> None:
    line = skipped_line([f"query/{i}.jpg" for i in range(23)])
    assert line.startswith("23 files")
    assert line.endswith("query/19.jpg and 3 more")
    assert skipped_line(["a.jpg"]) == "1 file cannot be decoded and is left out: a.jpg"


def test_sound_files_are_remembered_until_they_change(
    market_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, cache = damage(market_root), tmp_path / "cache"
    looked: list[str] = []
    real = corrupt.decode_file

    def spy(file: Path, size: tuple[int, int]) -> object:
        looked.append(file.name)
        return real(file, size)

    monkeypatch.setattr(corrupt, "decode_file", spy)
    assert BROKEN not in open_market(market_root, cache, "skip").names("train")
    assert len(looked) == 3
    assert BROKEN not in open_market(market_root, cache, "skip").names("train")
    assert looked[3:] == [BROKEN]  # it may have been mended without a trace
    sound = path.parent / "0002_c1s1_000451_03.jpg"
    path.write_bytes(sound.read_bytes())
    assert BROKEN in open_market(market_root, cache, "skip").names("train")
    assert looked[4:] == [BROKEN]
    damage(market_root, sound.name)
    assert sound.name not in open_market(market_root, cache, "skip").names("train")
    assert looked[5:] == [sound.name]


@pytest.mark.parametrize("text", ["", "{}", '{"root": 1, "files": []}', "[1]"])
def test_a_damaged_memory_is_made_again(text: str, market_root: Path, tmp_path: Path) -> None:
    damage(market_root)
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "market1501-decoding.json").write_text(text)
    assert BROKEN not in open_market(market_root, cache, "skip").names("train")


def test_a_split_of_broken_files_alone_is_an_error(market_root: Path, tmp_path: Path) -> None:
    for name in ("0003_c1s1_000001_00.jpg", "0004_c2s3_000007_00.jpg"):
        damage(market_root, name, "query")
    with pytest.raises(DataError, match="none of the 2 images"):
        open_market(market_root, tmp_path / "cache", "skip").names("query")


def test_cameras_without_training_images_are_named(market_root: Path, tmp_path: Path) -> None:
    dataset = open_market(market_root, tmp_path / "cache", "fail")
    assert not any("cameras without" in line for line in dataset.warnings())
    other = market_root / FOLDERS["gallery"] / "0003_c2s1_000021_02.jpg"
    other.rename(other.with_name("0003_c5s1_000021_02.jpg"))
    warnings = open_market(market_root, tmp_path / "cache", "fail").warnings()
    assert "cameras without a training image: 5" in warnings


def test_a_camera_of_many_digits_makes_no_long_line(market_root: Path, tmp_path: Path) -> None:
    for i in range(30):
        picture = market_root / FOLDERS["gallery"] / "0003_c2s1_000021_02.jpg"
        copy = picture.with_name(f"0003_c20230101{i:010d}s1_000021_02.jpg")
        copy.write_bytes(picture.read_bytes())
    warnings = open_market(market_root, tmp_path / "cache", "fail").warnings()
    line = next(line for line in warnings if "cameras without" in line)
    assert line.endswith(f"20230101{19:010d} and 10 more")
    assert max(map(len, warnings)) < 600


def test_the_policy_is_an_option_of_a_run(market_root: Path, tmp_path: Path) -> None:
    options = {"defense": ["none"], "dataset": "market1501"}
    assert load_run_config(options).on_corrupt == "fail"
    policy = load_run_config(options, ["on_corrupt=skip"]).on_corrupt
    damage(market_root)
    opened = open_dataset(
        DATASETS.get("market1501"),
        image_size=(32, 16),
        size="smoke",
        root=market_root,
        cache_dir=tmp_path / "cache",
        progress=SilentProgress(),
        on_corrupt=policy,
    )
    assert len(opened.split("train")) == 2
    rendered = open_dataset(
        DATASETS.get("synthped-plaza"),
        image_size=None,
        size="smoke",
        root=None,
        cache_dir=tmp_path,
        progress=SilentProgress(),
        on_corrupt=policy,
    )
    assert rendered.config.size == "smoke"  # type: ignore[attr-defined]
