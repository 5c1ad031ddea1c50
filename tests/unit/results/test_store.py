"""Records on disk: whole or not at all, and never skipped silently."""

from __future__ import annotations

import errno
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from results.errors import RecordError, WriteRefusedError
from results.records.schema import Record
from results.records.store import (
    PerQuery,
    load_per_query,
    load_record,
    read_records,
    write_record,
)

MakeRecord = Callable[..., Record]


@pytest.fixture
def per_query() -> PerQuery:
    ap, rank = np.array([0.5, np.nan, 1.0]), np.array([2, 0, 1])
    return PerQuery(
        np.array(["0001_c1s1_000001_00.jpg", "0002_c2s1_000002_00.jpg", "ü.jpg"]),
        np.array([1, 2, 3]),
        np.array([1, 2, 1]),
        {"clean": ap, "sma@8": ap / 2},
        {"clean": rank, "sma@8": rank * 3},
    )


def test_round_trip(tmp_path: Path, make_record: MakeRecord, per_query: PerQuery) -> None:
    record = make_record(cross=True)
    path = write_record(record, tmp_path, {"synthped-plaza": per_query})
    assert path.name == f"ddid--synthped-plaza--seed0--{record.id[:8]}.json"
    assert path.parent == tmp_path / "records"
    loaded = load_record(path)
    assert loaded == record.model_copy(update={"per_query": loaded.per_query})
    assert loaded.per_query is not None
    outcomes = load_per_query(path.parent / loaded.per_query)
    assert outcomes.queries.tolist() == per_query.queries.tolist()
    for key in ("clean", "sma@8"):
        np.testing.assert_array_equal(outcomes.ap[key], per_query.ap[key])
        np.testing.assert_array_equal(outcomes.rank[key], per_query.rank[key])


def test_same_record_gives_same_bytes(
    tmp_path: Path, make_record: MakeRecord, per_query: PerQuery
) -> None:
    first = write_record(make_record(), tmp_path / "a", {"synthped-plaza": per_query})
    again = write_record(make_record(), tmp_path / "b", {"synthped-plaza": per_query})
    for one, other in zip(
        sorted(first.parent.iterdir()), sorted(again.parent.iterdir()), strict=True
    ):
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_leaves_nothing_behind(
    tmp_path: Path,
    make_record: MakeRecord,
    per_query: PerQuery,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RecordError, match=r"no space left to write .*npz") as caught:
        write_record(make_record(), tmp_path, {"synthped-plaza": per_query})
    assert "free some space" in caught.value.hint
    assert list((tmp_path / "records").iterdir()) == []


def test_failed_replacement_keeps_the_old_record(
    tmp_path: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_record(make_record(), tmp_path)
    before = path.read_bytes()

    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(WriteRefusedError, match="Permission denied"):
        write_record(make_record(clean=40.0), tmp_path)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_record_without_npz_never_points_to_one(tmp_path: Path, make_record: MakeRecord) -> None:
    path = write_record(make_record(per_query="gone.npz"), tmp_path)
    assert load_record(path).per_query is None


def test_names_with_odd_characters_stay_in_the_folder(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    path = write_record(make_record("../a:b"), tmp_path)
    assert path.parent == tmp_path / "records"
    assert path.name.startswith("..-a-b--")


def test_ragged_outcomes_are_a_bug(
    tmp_path: Path, make_record: MakeRecord, per_query: PerQuery
) -> None:
    ragged = PerQuery(
        per_query.queries, per_query.pids, per_query.camids, {"clean": np.zeros(2)}, {}
    )
    with pytest.raises(ValueError, match="ap/clean"):
        write_record(make_record(), tmp_path, {"synthped-plaza": ragged})


def test_reading_folders(tmp_path: Path, make_record: MakeRecord) -> None:
    write_record(make_record(seed=0), tmp_path / "run")
    write_record(make_record(seed=1), tmp_path / "run")
    inner = tmp_path / "run" / "records" / "2024"
    inner.mkdir()
    copy = write_record(make_record(seed=2), tmp_path / "other")
    (inner / copy.name).write_bytes(copy.read_bytes())
    (tmp_path / "run" / "leaderboard.json").write_text("{}")  # not a record, not in records/
    assert [r.seed for r in read_records([tmp_path / "run"])] == [2, 0, 1]
    assert len(read_records([tmp_path / "run", tmp_path / "other", copy])) == 3
    assert [r.seed for r in read_records([tmp_path / "other" / "records"])] == [2]


def test_subfolders_hold_records_too_and_other_files_of_them_are_left_alone(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    for seed, folder in enumerate(("board", "tables/long", ".hidden")):
        made = write_record(make_record(seed=seed), tmp_path / "made")
        (tmp_path / "all" / folder).mkdir(parents=True)
        made.replace(tmp_path / "all" / folder / made.name)
    twin = next((tmp_path / "all" / "board").glob("*.json"))
    (tmp_path / "all" / "tables" / twin.name).write_bytes(twin.read_bytes())
    (tmp_path / "all" / "tables" / "result.json").write_text("{}")
    assert sorted(one.seed for one in read_records([tmp_path / "all"])) == [0, 1]
    (tmp_path / "all" / "result.json").write_text("{}")  # in the folder itself nothing is skipped
    with pytest.raises(RecordError, match=r"result\.json"):
        read_records([tmp_path / "all"])


def test_a_label_is_absent_unless_set(tmp_path: Path, make_record: MakeRecord) -> None:
    assert "label" not in make_record().model_dump(mode="json")
    assert load_record(write_record(make_record(label="mine, 12/255"), tmp_path)).label is not None


def test_a_damaged_array_is_told_when_it_is_read_and_the_others_are_not_lost(
    tmp_path: Path, make_record: MakeRecord, per_query: PerQuery
) -> None:
    folder = write_record(make_record(), tmp_path, {"synthped-plaza": per_query}).parent
    (path,) = folder.glob("*.npz")
    with zipfile.ZipFile(path) as archive:
        found = archive.getinfo("ap/clean.npy")
    content = bytearray(path.read_bytes())
    content[found.header_offset + 90] ^= 0xFF
    path.write_bytes(content)
    outcomes = load_per_query(path)
    with pytest.raises(RecordError, match="per-query"):
        outcomes.ap["clean"]
    np.testing.assert_array_equal(outcomes.rank["clean"], per_query.rank["clean"])


def test_a_file_that_is_no_record_is_named(tmp_path: Path, make_record: MakeRecord) -> None:
    path = write_record(make_record(), tmp_path)
    broken = path.with_name("broken.json")
    content = json.loads(path.read_text())
    content["clean"]["map"] = 200
    content["seed"] = "zero"
    broken.write_text(json.dumps(content))
    with pytest.raises(RecordError, match=r"broken\.json.*clean\.map") as caught:
        read_records([tmp_path])
    assert "\n" not in caught.value.what
    assert "seed" in caught.value.what


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "is not JSON"),
        ('{"clean": NaN}', "is not JSON"),
        ("[]", "is not a record"),
        ('{"schema_version": 7}', "schema version 7"),
        ("\ud800", "is not JSON"),
    ],
)
def test_unreadable_text_is_explained(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(RecordError, match=what):
        load_record(path)


def test_missing_files_are_explained(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot read"):
        load_record(tmp_path / "x.json")
    with pytest.raises(RecordError, match="there is no folder"):
        read_records([tmp_path / "nowhere"])
    with pytest.raises(RecordError, match="per-query"):
        load_per_query(tmp_path / "x.npz")


def test_pickled_arrays_are_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, queries=np.array([{"a": 1}], dtype=object))
    with pytest.raises(RecordError, match="per-query"):
        load_per_query(path)
    path.write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(RecordError, match="per-query"):
        load_per_query(path)
