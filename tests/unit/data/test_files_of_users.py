"""Folders as users have them: junk among the training images, odd files, links, many endings."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from benchmark.core.errors import DataError
from benchmark.core.fingerprint import fingerprint
from benchmark.data.defect import Defect
from benchmark.data.image_file import ImageFileError
from benchmark.data.layout import FOLDERS, SPLITS, Split
from benchmark.data.market1501 import Market1501
from benchmark.data.verify import verify_dataset

Open = Callable[..., Market1501]
NAME = "0002_c2s1_000301_01.png"


def add(root: Path, split: Split, name: str, value: int = 7) -> Path:
    path = root / FOLDERS[split] / name
    Image.new("RGB", (24, 48), (value, value, value)).save(path)
    return path


def found(dataset: Market1501, check: str) -> list[Defect]:
    return [finding for finding in verify_dataset(dataset) if finding.check == check]


@pytest.mark.parametrize("split", ["train", "query"])
def test_junk_and_background_are_nobody_s_identity(
    split: Split, market_root: Path, open_market: Open
) -> None:
    before = open_market(market_root)
    add(market_root, split, "-1_c1s1_000001_01.jpg")
    add(market_root, split, "0000_c1s1_000001_01.jpg")
    add(market_root, split, "0000_c2s1_000001_01.jpg")
    dataset = open_market(market_root)
    assert dataset.split(split).pids.min() > 0
    assert dataset.names(split) == before.names(split)
    assert dataset.manifest_sha256() == before.manifest_sha256()
    line = "3 junk (-1) and background (0000) images in"
    warnings = [w for w in dataset.warnings() if w.startswith(line)]
    assert len(warnings) == 1
    assert FOLDERS[split] in warnings[0]
    assert [f.message for f in found(dataset, "left out")] == warnings


def test_training_images_of_nobody_alone_are_an_error(market_root: Path, open_market: Open) -> None:
    for path in (market_root / FOLDERS["train"]).iterdir():
        path.unlink()
    add(market_root, "train", "-1_c1s1_000001_01.jpg")
    with pytest.raises(DataError, match=r"all 1 images in .* are junk"):
        open_market(market_root).split("train")


def test_every_kind_of_image_is_read(market_root: Path, open_market: Open) -> None:
    suffixes = (".bmp", ".webp", ".TIF", ".tiff", ".JPEG", ".Png")
    for i, suffix in enumerate(suffixes):
        add(market_root, "query", f"0003_c1s1_00010{i}_00{suffix}", 100 + i)
    query = open_market(market_root, (48, 24)).split("query")
    assert len(query) == 2 + len(suffixes)
    assert sorted(query.images[query.pids == 3, 0, 0, 0].tolist()[1:]) == [*range(100, 106)]


def test_what_is_not_read_is_counted_and_told(market_root: Path, open_market: Open) -> None:
    for i in range(25):
        (market_root / FOLDERS["query"] / f"0003_c1s1_{i:06d}_00.gif").touch()
    (market_root / FOLDERS["query"] / ".DS_Store").touch()
    dataset = open_market(market_root)
    (line,) = [w for w in dataset.warnings() if "not read" in w]
    assert line.startswith("query: 25 entries are not read")
    assert line.endswith("0003_c1s1_000019_00.gif and 5 more")
    assert [f.message for f in found(dataset, "left out")] == [line]


def dead_link(path: Path, _: pytest.MonkeyPatch) -> None:
    path.unlink()
    path.symlink_to(path.parent / "nowhere.png")


def folder(path: Path, _: pytest.MonkeyPatch) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path, _: pytest.MonkeyPatch) -> None:
    path.unlink()
    os.mkfifo(path)


def empty(path: Path, _: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"")


def closed(path: Path, patch: pytest.MonkeyPatch) -> None:
    real = Path.read_bytes

    def read(self: Path) -> bytes:
        if self.name == path.name:
            raise PermissionError(13, "Permission denied", str(self))
        return real(self)

    patch.setattr(Path, "read_bytes", read)


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (dead_link, "dead links"),
        (folder, "folders"),
        (pipe, "special files"),
        (empty, "empty files"),
        (closed, "unreadable files"),
    ],
)
def test_what_is_no_readable_file_is_told_or_skipped(
    spoil: Callable[[Path, pytest.MonkeyPatch], None],
    kind: str,
    market_root: Path,
    open_market: Open,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoil(market_root / FOLDERS["train"] / NAME, monkeypatch)
    for _ in range(2):
        with pytest.raises(ImageFileError, match=NAME) as caught:
            open_market(market_root).split("train")
        assert caught.value.exit_code == 3
        assert "on_corrupt=skip" in caught.value.hint
    skipping = open_market(market_root).without_unreadable()
    assert skipping.split("train").pids.tolist() == [2, 7]
    assert any(line.startswith("1 file cannot be decoded") for line in skipping.warnings())
    total, one = found(open_market(market_root), "unreadable")
    assert total.message == f"train: 1 of 3 images cannot be used: 1 {kind}"
    assert NAME in one.message


def test_a_closed_file_that_is_opened_is_read(
    market_root: Path, open_market: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        closed(market_root / FOLDERS["train"] / NAME, patch)
        assert len(open_market(market_root).without_unreadable().names("train")) == 2
    assert len(open_market(market_root).without_unreadable().names("train")) == 3


def test_links_to_files_and_folders_are_followed(
    market_root: Path, open_market: Open, tmp_path: Path
) -> None:
    linked = tmp_path / "linked"
    (linked / FOLDERS["train"]).mkdir(parents=True)
    for split in SPLITS[1:]:
        (linked / FOLDERS[split]).symlink_to(market_root / FOLDERS[split])
    for path in (market_root / FOLDERS["train"]).iterdir():
        (linked / FOLDERS["train"] / path.name).symlink_to(path)
    assert open_market(linked).manifest_sha256() == open_market(market_root).manifest_sha256()
    assert len(open_market(linked).split("train")) == 3


def test_a_split_that_is_a_dead_link_is_not_taken_for_absent(
    market_root: Path, open_market: Open, tmp_path: Path
) -> None:
    (market_root / FOLDERS["query"]).rename(tmp_path / "away")
    (market_root / FOLDERS["query"]).symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match="link to nothing"):
        open_market(market_root).present()
    assert [f.level for f in verify_dataset(open_market(market_root))] == ["error"]


def test_plain_files_keep_the_hash_of_their_content(market_root: Path, open_market: Open) -> None:
    dataset = open_market(market_root)
    paths = [f"{FOLDERS[split]}/{name}" for split in SPLITS for name in dataset.names(split)]
    datas = {path: (market_root / path).read_bytes() for path in paths}
    files = sorted([p, len(d), hashlib.sha256(d).hexdigest()] for p, d in datas.items())
    assert dataset.manifest_sha256() == fingerprint({"layout": "market1501", "files": files})


def test_pixels_that_an_earlier_version_decoded_wrongly_are_not_reused(
    market_root: Path, open_market: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3
    path = market_root / FOLDERS["train"] / "0002_c1s1_000451_03.jpg"
    Image.new("RGB", (24, 48)).save(path, exif=exif)
    now = open_market(market_root)
    folder = now.cache.folder
    monkeypatch.setattr("benchmark.data.file_hashes.has_own_rule", lambda data: False)
    (now.cache_dir / "market1501-files.json").unlink()
    earlier = open_market(market_root)
    assert earlier.manifest_sha256() != now.manifest_sha256()
    assert earlier.cache.folder != folder


def test_verify_reads_files_again_whatever_size_and_time_say(
    market_root: Path, open_market: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = market_root / FOLDERS["train"] / "0002_c1s1_000451_03.bmp"
    add(market_root, "train", path.name, 1)
    status = path.stat()
    monkeypatch.setattr(
        "benchmark.data.file_memory.file_status", lambda p: status if p == path else p.stat()
    )
    before = open_market(market_root)
    row = before.names("train").index(path.name)
    np.testing.assert_array_equal(before.split("train").images[row], 1)
    add(market_root, "train", path.name, 2)
    assert open_market(market_root).manifest_sha256() == before.manifest_sha256()
    (told,) = found(open_market(market_root), "changed")
    assert f"1 files changed while size and time did not: {FOLDERS['train']}/{path.name}" == (
        told.message
    )
    after = open_market(market_root)
    assert after.manifest_sha256() != before.manifest_sha256()
    np.testing.assert_array_equal(after.split("train").images[row], 2)
    assert not found(after, "changed")


def test_conversions_are_counted_and_told(
    market_root: Path, open_market: Open, caplog: pytest.LogCaptureFixture
) -> None:
    folder = market_root / FOLDERS["query"]
    for number, mode in enumerate(("CMYK", "CMYK", "P")):
        suffix = "jpg" if mode == "CMYK" else "png"
        path = folder / f"0003_c1s1_{number:06d}_09.{suffix}"
        Image.new("RGB", (24, 48), (9, 90, number)).convert(mode).save(path)
    dataset = open_market(market_root)
    told = ["2 images of query are CMYK, read as RGB",
            "1 images of query are with a palette, read as RGB"]  # fmt: skip
    assert dataset.conversions("query") == told
    assert dataset.conversions("train") == []
    with caplog.at_level(logging.WARNING):
        dataset.split("query")
    assert [record.getMessage() for record in caplog.records] == [
        f"market1501: {line}" for line in told
    ]
    assert [defect.message for defect in found(open_market(market_root), "converted")] == told
