from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.core.errors import UsageError
from benchmark.core.progress import SilentProgress
from benchmark.data.distribution import dataset_info
from benchmark.data.layout import FOLDERS, SPLITS
from benchmark.data.make import make_dataset
from benchmark.data.market1501 import Market1501
from benchmark.data.synthped.dataset import SynthPed
from benchmark.data.verify import verify_dataset


@pytest.fixture(scope="module")
def written(plaza: SynthPed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(plaza, tmp_path_factory.mktemp("made") / "plaza", SilentProgress())


def test_what_is_written_reads_back_to_the_same_pixels(
    plaza: SynthPed, written: Path, tmp_path: Path
) -> None:
    market = Market1501(
        image_size=(64, 32), root=written, cache_dir=tmp_path, progress=SilentProgress()
    )
    for split in SPLITS:
        assert market.split(split).names == plaza.split(split).names
        np.testing.assert_array_equal(market.split(split).images, plaza.split(split).images)
    assert [f for f in verify_dataset(market) if f.level == "error"] == []


def test_card_and_sheet_are_beside_the_images(plaza: SynthPed, written: Path) -> None:
    names = {"card.json", "card.md", "contact_sheet.png", *FOLDERS.values()}
    assert {path.name for path in written.iterdir()} == names
    card = json.loads((written / "card.json").read_text(encoding="utf-8"))
    assert card["manifest_sha256"] == plaza.manifest_sha256()
    assert card["statistics"]["train"]["identities"] == 24
    text = (written / "card.md").read_text(encoding="utf-8")
    assert "do not transfer to real data" in text
    with Image.open(written / "contact_sheet.png") as sheet:
        assert min(sheet.size) > 300


def test_an_earlier_copy_is_replaced(plaza: SynthPed, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "card.json").write_text(json.dumps({"name": plaza.name}), encoding="utf-8")
    (output / "stale.txt").touch()
    make_dataset(plaza, output, SilentProgress())
    assert not (output / "stale.txt").exists()
    assert (output / "query").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("content", ["notes.txt", "card.json"])
def test_a_stranger_s_folder_is_left_alone(content: str, plaza: SynthPed, tmp_path: Path) -> None:
    (tmp_path / content).write_text("[]", encoding="utf-8")
    with pytest.raises(UsageError, match="is not empty") as caught:
        make_dataset(plaza, tmp_path, SilentProgress())
    assert "--output" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == [content]


def test_a_failure_leaves_nothing_behind(
    plaza: SynthPed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(split: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(plaza, "files", fail)
    with pytest.raises(KeyboardInterrupt):
        make_dataset(plaza, tmp_path / "out", SilentProgress())
    assert not list(tmp_path.iterdir())


def test_a_sound_set_has_no_errors(plaza: SynthPed) -> None:
    findings = verify_dataset(plaza)
    assert [f for f in findings if f.level != "info"] == []
    assert {f.check for f in findings} == {"counts", "pixels", "manifest"}


def test_changed_pixels_are_told_and_made_again(
    tmp_path: Path, open_smoke: Callable[..., SynthPed]
) -> None:
    dataset = open_smoke("synthped-plaza", tmp_path, image_size=(16, 8))
    sound = np.array(dataset.split("query").images)
    path = dataset.cache.array_path("query")
    data = bytearray(path.read_bytes())
    data[-1] ^= 255
    path.write_bytes(bytes(data))
    fresh = open_smoke("synthped-plaza", tmp_path, image_size=(16, 8))
    told = [f for f in verify_dataset(fresh) if f.level != "info"]
    assert [(f.level, f.check) for f in told] == [("warning", "pixels")]
    assert "query" in told[0].message
    np.testing.assert_array_equal(fresh.split("query").images, sound)
    assert not [f for f in verify_dataset(fresh) if f.level != "info"]


def test_leaks_and_broken_files_are_found(
    market_root: Path, open_market: Callable[..., Market1501]
) -> None:
    train, gallery = (market_root / FOLDERS[s] for s in ("train", "gallery"))
    data = (train / "0002_c1s1_000451_03.jpg").read_bytes()
    (gallery / "0002_c3s1_000001_00.jpg").write_bytes(data)
    Image.new("RGB", (24, 48), (9, 9, 9)).save(gallery / "0004_c1s1_000001_00.jpg")
    (market_root / FOLDERS["query"] / "0003_c1s1_000001_00.jpg").write_bytes(b"broken")
    findings = verify_dataset(open_market(market_root))
    checks = {f.check: f for f in findings if f.level == "error"}
    assert set(checks) == {"unreadable", "identities", "duplicates"}
    assert "0003_c1s1_000001_00.jpg" in checks["unreadable"].message
    assert "0002_c3s1_000001_00.jpg" in checks["duplicates"].message
    assert any(f.check == "single" for f in findings)


def test_a_missing_root_is_a_finding(open_market: Callable[..., Market1501]) -> None:
    assert {f.check for f in verify_dataset(open_market(None)) if f.level == "error"}


def test_info(plaza: SynthPed) -> None:
    info = dataset_info(plaza)
    assert info["name"] == "synthped-plaza"
    assert set(info["cache"]["splits"]) <= set(SPLITS)
    json.dumps(info)
