"""The data set `folder`: anyone's crops, by names as in Market-1501 or by a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.core.errors import DataError
from benchmark.core.progress import SilentProgress
from benchmark.data.folder import Folder
from benchmark.data.market1501 import Market1501
from tests import dataset_miniatures as miniatures
from tests.dataset_miniatures import TABLE_ROWS

Open = Callable[..., Folder]
NO_CAMERAS = {"cameras": "none"}


@pytest.fixture(name="opened")
def open_fixture(tmp_path: Path) -> Open:
    def opened(root: Path, **options: Any) -> Folder:
        return Folder(
            options,
            image_size=(16, 8),
            root=root,
            cache_dir=tmp_path / "cache",
            progress=SilentProgress(),
            workers=1,
        )

    return opened


def test_names_as_in_market_are_read(opened: Open, tmp_path: Path) -> None:
    root = miniatures.market1501(tmp_path)
    dataset = opened(root)
    market = Market1501(root=root, cache_dir=tmp_path, progress=SilentProgress())
    for split in dataset.present():
        assert dataset.labels(split) == market.labels(split)
    assert dataset.labels("train")[0].sequence == 1
    assert dataset.labels("train")[1].frame == 2


def test_a_table_is_read(opened: Open, tmp_path: Path) -> None:
    dataset = opened(miniatures.table(tmp_path))
    train = dataset.split("train")
    assert train.names == ("images/a1.jpg", "images/a2.jpg", "images/b1.jpg", "images/b2.jpg")
    assert train.pids.tolist() == [5, 5, 0, 0]  # 0 is a person
    assert train.identities.tolist() == [0, 5]
    assert train.camids.tolist() == [0, 1_234_567_890, 0, 1]  # a camera is a name, not a count
    assert dataset.split("gallery").people.all()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_of_spreadsheets_are_as_good(
    encoding: str, newline: str, delimiter: str, opened: Open, tmp_path: Path
) -> None:
    rows = [row.replace(",", delimiter) for row in TABLE_ROWS]
    root = miniatures.table(
        tmp_path,
        rows,
        f" Path{delimiter}PID{delimiter}camid{delimiter}Split",
        encoding=encoding,
        newline=newline,
    )
    plain = opened(miniatures.table(tmp_path / "plain"))
    for split in plain.present():
        assert opened(root).labels(split) == plain.labels(split)


def test_further_columns(opened: Open, tmp_path: Path) -> None:
    rows = [f"{row},7,,0,0,note" for row in TABLE_ROWS]
    rows[-1] = "images/g2.jpg,8,1,gallery,7,12,0,1,note"
    rows.append("images/a1.jpg,4,1,gallery,,,yes,,note")
    head = "path,pid,camid,split,sequence,frame,junk,distractor,weather"
    dataset = opened(miniatures.table(tmp_path, rows, head))
    junk, _, distractor = dataset.labels("gallery")
    assert (junk.junk, junk.distractor, junk.sequence) == (True, False, None)
    assert (distractor.distractor, distractor.sequence, distractor.frame) == (True, 7, 12)
    assert dataset.split("gallery").identities.tolist() == [9]
    assert "labels.csv: columns not read: weather" in dataset.warnings()


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("/data/a.jpg,5,1,train", "'/data/a.jpg' is an absolute path"),
        ("C:/data/a.jpg,5,1,train", "is an absolute path"),
        ("c:\\data\\a.jpg,5,1,train", "is an absolute path"),
        ("../a.jpg,5,1,train", "leaves the folder"),
        ("images/../../a.jpg,5,1,train", "leaves the folder"),
        (",5,1,train", "there is no path"),
        ("images/a3.jpg,5,-1,train", "camid is '-1'"),
        ("images/a3.jpg,5,,train", "camid is ''"),
        ("images/a3.jpg,5,1.0,train", "camid is '1.0'"),
        (f"images/a3.jpg,5,{10**18},train", "camid is '1000000000000000000'"),
        ("images/a3.jpg,-1,1,train", "pid is '-1'"),
        ("images/a3.jpg,anna,1,train", "pid is 'anna'"),
        ("images/a3.jpg,5", "'' is no split"),
        ("images/a3.jpg,5,1,test", "'test' is no split"),
        ("images/../images/a1.jpg,5,1,train", "images/a1.jpg is listed twice in train"),
    ],
)
def test_rows_that_cannot_be_used_are_told(
    row: str, what: str, opened: Open, tmp_path: Path
) -> None:
    root = miniatures.table(tmp_path, [*TABLE_ROWS, row])
    with pytest.raises(DataError) as caught:
        opened(root).names("train")
    assert what in caught.value.what
    assert f"labels.csv:{len(TABLE_ROWS) + 2}: " in caught.value.what
    assert "\n" not in caught.value.what + caught.value.hint
    assert caught.value.hint


@pytest.mark.parametrize(
    ("head", "what"),
    [
        ("path,pid,split", "has no column camid"),
        ("file,id,camid,split", "has no column path and no column pid"),
        ("path,pid,camid,split,pid", "has two columns pid"),
    ],
)
def test_columns_are_checked(head: str, what: str, opened: Open, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=what) as caught:
        opened(miniatures.table(tmp_path, head=head)).present()
    assert caught.value.hint
    if what.endswith("camid"):
        assert "--set dataset_config.folder.cameras=none" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"\n\n", "path,pid".encode("utf-16"), b"\xff\xfe\x00a"])
def test_what_is_no_table_is_told(content: bytes, opened: Open, tmp_path: Path) -> None:
    root = miniatures.table(tmp_path)
    (root / "labels.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"labels\.csv") as caught:
        opened(root).present()
    assert caught.value.hint


def test_a_quote_that_is_not_closed_is_told(opened: Open, tmp_path: Path) -> None:
    rows = [f'"images/{n:05d}.jpg,1,1,train' for n in range(9_000)]
    with pytest.raises(DataError, match=r"labels\.csv:\d+: ") as caught:
        opened(miniatures.table(tmp_path, ['"' + "x" * 140_000, *rows])).present()
    assert caught.value.hint


def test_absent_files_are_told_or_left_out(opened: Open, tmp_path: Path) -> None:
    root = miniatures.table(tmp_path)
    (root / "images" / "b2.jpg").unlink()
    with pytest.raises(DataError, match="1 of 4 images of train are not in") as caught:
        opened(root).names("train")
    assert "images/b2.jpg" in caught.value.what
    assert len(opened(root, on_corrupt="skip").names("train")) == 3


def test_the_table_is_named_where_there_are_several(opened: Open, tmp_path: Path) -> None:
    root = miniatures.table(tmp_path)
    (root / "other.csv").write_bytes((root / "labels.csv").read_bytes())
    with pytest.raises(DataError, match="several tables") as caught:
        opened(root).present()
    assert "dataset_config.folder.table=labels.csv" in caught.value.hint
    assert len(opened(root, table="other.csv").names("train")) == 4
    with pytest.raises(DataError, match="cannot read"):
        opened(root, table="absent.csv").present()


def test_labels_are_part_of_the_content(opened: Open, tmp_path: Path) -> None:
    first = opened(miniatures.table(tmp_path)).manifest_sha256()
    rows = [row.replace(",9,", ",6,") for row in TABLE_ROWS]
    assert opened(miniatures.table(tmp_path, rows)).manifest_sha256() != first
    assert opened(miniatures.table(tmp_path)).manifest_sha256() == first


def test_without_cameras_each_image_is_its_own(opened: Open, tmp_path: Path) -> None:
    rows = [",".join((row.split(",")[0], *row.split(",")[1::2])) for row in TABLE_ROWS]
    rows.append("images/q.jpg,9,gallery")
    root = miniatures.table(tmp_path, rows, "path,pid,split")
    dataset = opened(root, **NO_CAMERAS)
    assert not dataset.cameras
    everything = {
        label.name: label.camid for split in dataset.present() for label in dataset.labels(split)
    }
    assert len(set(everything.values())) == len(everything) == 7
    query, gallery = dataset.split("query"), dataset.split("gallery")
    left_out = (gallery.pids == query.pids[0]) & (gallery.camids == query.camids[0])
    assert [gallery.names[row] for row in np.flatnonzero(left_out)] == ["images/q.jpg"]
    assert any("cameras are unknown" in line for line in dataset.warnings())
    assert not any("without a training image" in line for line in dataset.warnings())


def test_without_cameras_names_need_only_an_identity(opened: Open, tmp_path: Path) -> None:
    for folder, name in (
        ("bounding_box_train", "7_entrance.jpg"),
        ("bounding_box_train", "8.png"),
        ("query", "9_a.jpg"),
        ("bounding_box_test", "9_a.jpg"),
        ("bounding_box_test", "9_b.jpg"),
        ("bounding_box_test", "0000_c.jpg"),
        ("bounding_box_test", "-1_d.jpg"),
    ):
        miniatures.picture(tmp_path / folder / name)
    with pytest.raises(DataError, match="does not follow the pattern"):
        opened(tmp_path).names("train")
    dataset = opened(tmp_path, **NO_CAMERAS)
    gallery = dataset.split("gallery")
    assert gallery.pids[gallery.people].tolist() == [9, 9]
    assert (gallery.junk.sum(), gallery.distractor.sum()) == (1, 1)
    assert dataset.split("query").camids[0] == gallery.camids[gallery.names.index("9_a.jpg")]
    miniatures.picture(tmp_path / "query" / "nobody.jpg")
    with pytest.raises(DataError, match="does not begin with an identity"):
        opened(tmp_path, **NO_CAMERAS).names("query")


def test_links_to_images_are_followed(opened: Open, tmp_path: Path) -> None:
    root = miniatures.table(tmp_path)
    (root / "images").rename(tmp_path / "elsewhere")
    (root / "images").symlink_to(tmp_path / "elsewhere")
    assert len(opened(root).split("train")) == 4
