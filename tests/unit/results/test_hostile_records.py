"""Records that somebody made to do harm: each is refused with a line that says why."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from results.board.make_boards import make_boards
from results.errors import RecordError
from results.records.arrays import StoredArrays
from results.records.query_outcomes import read_measured
from results.records.ranked_lists import load_ranked_lists, ranked_lists_path
from results.records.schema import Record
from results.records.store import load_per_query, load_record, read_records, write_record
from results.render.console import print_leaderboard
from results.render.figures import write_figures
from results.render.leaderboard import texts

MakeRecord = Callable[..., Record]


def changed(record: Record, **changes: Any) -> str:
    return json.dumps({**record.model_dump(mode="json"), **changes})


def replaced(record: Record, old: str, new: str) -> str:
    text = json.dumps(record.model_dump(mode="json"))
    assert old in text
    return text.replace(old, new, 1)


CARD = '"card": {'
TEXTS: dict[str, tuple[Callable[[Record], str], str]] = {
    "terminal codes in a label": (lambda r: changed(r, label="\x1b[31mred"), "control characters"),
    "a label that turns the writing": (
        lambda r: changed(r, label="a\u202eb"),
        "control characters",
    ),
    "a label of a novel": (lambda r: changed(r, label="x" * 10_000), "at most 300"),
    "a path up": (lambda r: changed(r, per_query="../../x.npz"), "not a path"),
    "a path from the root": (lambda r: changed(r, per_query="/etc/passwd"), "not a path"),
    "a path of Windows": (lambda r: changed(r, per_query="C:x.npz"), "not a path"),
    "a hidden file": (lambda r: changed(r, per_query=".npz"), "not a path"),
    "another kind of file": (lambda r: changed(r, per_query="x.pkl"), "end in .npz"),
    "an id that is a path": (lambda r: changed(r, id="../../abc"), "id: "),
    "no clean result": (lambda r: changed(r, clean=None), "clean: "),
    "an infinite number": (lambda r: replaced(r, CARD, f'{CARD}"x": 1e400, '), "not finite"),
    "a whole number of 400 digits": (
        lambda r: replaced(r, CARD, f'{CARD}"x": {"9" * 400}, '),
        "64 bits",
    ),
    "a whole number of 5000 digits": (
        lambda r: replaced(r, CARD, f'{CARD}"x": {"9" * 5000}, '),
        "digits",
    ),
    "a seed of 400 digits": (lambda r: replaced(r, '"seed": 0', f'"seed": {10**400}'), "seed: "),
    "NaN": (lambda r: replaced(r, CARD, f'{CARD}"x": NaN, '), "NaN is not a JSON number"),
    "a hundred thousand brackets": (
        lambda r: replaced(r, CARD, f'{CARD}"x": {"[" * 10**5}{"]" * 10**5}, '),
        "nested",
    ),
    "a key twice": (lambda r: replaced(r, '"seed"', '"seed": 5, "seed"'), "seed is there twice"),
    "a key twice, spelled in another way": (
        lambda r: replaced(r, '"seed"', '"seed" : 5, "s\\u0065ed"').replace(
            CARD, CARD + r'"x": "\u0022:", ', 1
        ),
        "seed is there twice",
    ),
    "an unknown key with terminal codes": (lambda r: changed(r, **{"\x1b[0m": 1}), r"\x1b[0m: "),
    "half a character": (lambda r: replaced(r, CARD, f'{CARD}"x": "\\ud800", '), "JSON"),
    "too large": (lambda r: " " * (9 * 2**20), "larger than the 8 MiB"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_hostile_text_is_refused_in_a_line(
    tmp_path: Path, make_record: MakeRecord, name: str
) -> None:
    make, why = TEXTS[name]
    path = tmp_path / "x.json"
    path.write_text(make(make_record()), "utf-8")
    with pytest.raises(RecordError) as caught:
        load_record(path)
    assert why in caught.value.what
    assert caught.value.what.isprintable()
    assert len(caught.value.what) < 1000
    assert caught.value.hint


def test_what_is_no_plain_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")  # a reader would wait for ever
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    (tmp_path / "loop.json").symlink_to(tmp_path / "loop.json")
    for path in tmp_path.iterdir():
        with pytest.raises(RecordError):
            load_record(path)


def test_links_do_not_lead_out_of_a_folder(tmp_path: Path, make_record: MakeRecord) -> None:
    outside = write_record(make_record(), tmp_path / "outside")
    folder = tmp_path / "inside" / "records"
    folder.mkdir(parents=True)
    (folder / "a.json").symlink_to(outside)
    with pytest.raises(RecordError, match="leads out of its folder"):
        read_records([tmp_path / "inside"])
    (folder / "a.json").unlink()
    path = write_record(make_record(per_query=None), tmp_path / "inside")
    path.write_text(changed(make_record(), per_query="q.npz"))
    (folder / "q.npz").symlink_to("/etc/passwd")
    with pytest.raises(RecordError, match="leads out of its folder"):
        read_measured([tmp_path / "inside"])
    ranked_lists_path(path).symlink_to("/etc/passwd")
    with pytest.raises(RecordError, match="leads out of its folder"):
        load_ranked_lists(path)


def test_a_record_writes_nothing_outside_of_its_folder(
    tmp_path: Path, make_record: MakeRecord, per_query: Any
) -> None:
    record = make_record(cross=True)
    other = record.cross_dataset[0].model_copy(update={"dataset": "../../../escaped"})
    record = record.model_copy(update={"cross_dataset": [other], "dataset": "../x"})
    write_record(record, tmp_path / "out", {other.dataset: per_query, "../x": per_query})
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {
        tmp_path / "out" / "records"
    }


@pytest.fixture
def per_query() -> Any:
    from results.records.store import PerQuery

    ap, rank = np.array([0.5, 1.0]), np.array([2, 1])
    return PerQuery(np.array(["a", "b"]), rank, rank, {"clean": ap}, {"clean": rank})


GOOD: dict[str, Any] = {
    "queries": np.array(["a", "b"]),
    "pids": np.array([1, 2]),
    "camids": np.array([1, 2]),
    "ap/clean": np.array([0.5, 1.0]),
    "rank/clean": np.array([2, 1]),
}


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("ap/clean", np.array([0.5, 1.5]), "no average precision"),
        ("ap/clean", np.array([0.5, -0.1]), "no average precision"),
        ("ap/clean", np.array([0.5]), "of each query"),
        ("ap/clean", np.array([[0.5, 1.0]]), "of each query"),
        ("ap/clean", np.array(["0.5", "1"]), "of each query"),
        ("ap/clean", np.array([np.nan, np.nan]), "counts no query"),
        ("ap/sma@8", np.array([0.5, 1.0]), "ranks of sma@8 are missing"),
        ("rank/clean", np.array([-2, 1]), "no rank"),
        ("rank/clean", np.array([2.0, 1.0]), "of each query"),
        ("queries", np.array(["a"]), "of one length"),
        ("pids", np.array([1.0, 2.0]), "of one length"),
        ("ap/clean", np.array([{}, {}], dtype=object), "no plain array"),
    ],
)
def test_arrays_that_are_no_outcomes_are_refused(
    tmp_path: Path, name: str, values: Any, why: str
) -> None:
    np.savez_compressed(tmp_path / "x.npz", **{**GOOD, name: values})

    def read() -> None:
        stored = load_per_query(tmp_path / "x.npz")
        dict(stored.ap)
        dict(stored.rank)

    with pytest.raises(RecordError, match=why):
        read()


def bomb(path: Path, told: int | None) -> None:
    """Write 64 MiB of zeros as an array of 64 KiB, which tells another size if asked to."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("queries.npy", b"\0" * 2**26)
    if told is not None:
        content = bytearray(path.read_bytes())
        at = content.rindex(b"PK\1\2") + 24
        content[at : at + 4] = struct.pack("<I", told)
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("told", "why"), [(100, "another size"), (2**31, "unpack to more"), (2**26 + 1, "another size")]
)
def test_a_zip_bomb_is_not_unpacked(tmp_path: Path, told: int, why: str) -> None:
    path = tmp_path / "x.npz"
    bomb(path, told)
    with pytest.raises(RecordError, match=why):
        StoredArrays(path)["queries"]


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (999999999999,), }",
        "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (2,), }",
        "__import__('os').system('true')",
        "(" * 9000,
    ],
)
def test_headers_are_matched_and_not_evaluated(tmp_path: Path, header: str) -> None:
    text = header.encode() + b"\n"
    content = b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + b"\0" * 16
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("queries.npy", content)
    with pytest.raises(RecordError):
        StoredArrays(tmp_path / "x.npz")["queries"]


def test_a_million_attacks_are_too_many(tmp_path: Path, make_record: MakeRecord) -> None:
    content = make_record().model_dump(mode="json")
    one = json.dumps(content["attacks"][0])
    path = tmp_path / "x.json"
    with path.open("w") as stream:
        stream.write('{"attacks": [')
        stream.writelines(f"{one}," for _ in range(20_000))
        stream.truncate(500 * 2**20)  # the rest is a hole: a million lines have this size
    with pytest.raises(RecordError, match="larger than the 8 MiB"):
        load_record(path)


def test_a_name_acts_on_no_reader(make_record: MakeRecord) -> None:
    names = ("<script>alert(1)</script>", "=1+1", "[/]", "![x](http://x)", "`a` | *b*", "[red]x")
    boards = make_boards([make_record(seed=n, label=name) for n, name in enumerate(names)])
    files = texts(boards, ("md", "csv"))
    assert "<script>" not in files["leaderboard.md"]
    assert "![x](" not in files["leaderboard.md"]
    rows = [make_record(name, config={}, label=name) for name in names]
    files = texts(make_boards(rows), ("md", "csv"))
    assert "'=1+1" in files["leaderboard.csv"]
    assert ",=1+1" not in files["leaderboard.csv"]
    console = Console(file=io.StringIO(), width=200)
    print_leaderboard(make_boards(rows), console)


def test_a_name_of_an_attack_is_no_markup_of_the_console(
    make_record: MakeRecord, make_attack: Callable[..., dict[str, Any]]
) -> None:
    attacks = [make_attack("[/]", 20.0), make_attack("[red]x", 30.0)]
    console = Console(file=(screen := io.StringIO()), width=200)
    print_leaderboard(make_boards([make_record(attacks=attacks)]), console)
    assert "[/]" in screen.getvalue()
    assert "[red]x" in screen.getvalue()


def test_a_dollar_in_a_name_is_no_formula_of_a_figure(
    make_record: MakeRecord, tmp_path: Path
) -> None:
    labels = ("$\\frac{$", "$x^{$", "50 $ a day")
    rows = [make_record(f"d{n}", label=name, clean=50 + n) for n, name in enumerate(labels)]
    assert write_figures(make_boards(rows), tmp_path)
