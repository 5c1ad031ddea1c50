"""What is checked of a record before it is published."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from results.errors import RecordError
from results.records.schema import Record
from results.records.store import load_record, read_records
from results.submission.card_checks import card_problems
from results.submission.difference import difference_markdown, main
from results.submission.grid_checks import grid_problems
from results.submission.joined_board import board_problems
from results.submission.record_checks import record_problems
from results.submission.submission_file import submission_problems, unacknowledged

PUBLISHED = Path(__file__).parents[3] / "results" / "published"
FOLDERS = sorted({path.parent for path in PUBLISHED.glob("*/*--*.json")})
SAMPLE = [min(folder.glob("*--*.json")) for folder in FOLDERS]
MakeRecord = Callable[..., Record]


@pytest.mark.parametrize("path", SAMPLE, ids=lambda path: path.parent.name)
def test_a_published_record_follows_from_its_queries(path: Path) -> None:
    assert [one for one in record_problems(path, load_record(path)) if one.grade == "error"] == []


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """Return a published record of four attacks and two data sets, to be changed."""
    for path in (PUBLISHED / "board-cross").glob("pgd-at--*--seed0--*"):
        shutil.copy(path, tmp_path)
    return next(tmp_path.glob("*.json"))


def edited(path: Path, change: Callable[[dict[str, Any]], object]) -> list[str]:
    """Edit a record and return what is wrong with it then."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return [one.what for one in record_problems(path, load_record(path)) if one.grade == "error"]


def put(*keys: str | int, value: Any) -> Callable[[dict[str, Any]], object]:
    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    "keys",
    [
        ("clean", "map"),
        ("clean", "rank10"),
        ("attacks", 1, "map"),
        ("attacks", 2, "rank5"),
        ("attacks", 1, "success_rate"),
        ("worst_case", "map"),
        ("worst_case", "rank1"),
        ("worst_by_eps", 0, "map"),
        ("bias", "per_id_variance_attacked"),
        ("cross_dataset", 0, "attacks", 0, "map"),
        ("cross_dataset", 0, "worst_case", "map"),
    ],
    ids=lambda keys: ".".join(map(str, keys)),
)
def test_an_edited_figure_is_named_with_both_numbers(
    real: Path, keys: tuple[str | int, ...]
) -> None:
    (what,) = edited(real, put(*keys, value=12.345))
    assert f"{keys[-1]} is 12.345000, but the queries give" in what


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (put("attacks", 0, "ci95_map", value=[0.0, 100.0]), "ci95_map.0 is 0.000000"),
        (put("worst_case", "attack_share", value={"sma@8": 1.0}), "attack_share"),
        (put("worst_case", "attacks", value=["sma@8", "ghost@8"]), "ghost@8"),
        (put("attacks", 0, "max_distance_255", value=8.5), "more than its 8/255"),
        (put("attacks", 0, "quantised", value=False), "8 bits"),
        (put("per_query", value="gone.npz"), "gone.npz is missing"),
        (put("label", value="<script>x"), "label holds markup"),
        (put("label", value="=1+1"), "like a formula"),
        (put("defense", "card", "title", value="<b>x"), "card.title holds markup"),
    ],
)
def test_what_does_not_fit_is_said(
    real: Path, change: Callable[[dict[str, Any]], object], what: str
) -> None:
    assert any(what in one for one in edited(real, change))


@pytest.mark.parametrize(
    ("name", "what"),
    [("ap/sma@8", "sma@8"), ("ap/clean", "clean"), ("rank/fna@8", "fna@8")],
)
def test_outcomes_that_lack_are_told(real: Path, name: str, what: str) -> None:
    path = real.with_suffix(".per_query.npz")
    with np.load(path) as stored:
        arrays = {key: stored[key] for key in stored.files if key != name}
    np.savez(path, **arrays)
    problems = [one.what for one in record_problems(real, load_record(real))]
    assert any(what in one for one in problems)


def test_a_grid_with_holes_is_told(make_record: MakeRecord) -> None:
    records = [make_record(seed=seed) for seed in (0, 1)]
    (few, *lost) = grid_problems(records, ("sma", "fna", "reid-aa"))
    assert "2 training seeds, not 3" in few.what
    assert [one.what for one in lost] == [
        f"ddid, seed {seed}: not attacked with reid-aa" for seed in (0, 1)
    ]
    assert list(grid_problems([make_record(seed=seed) for seed in range(3)], ("sma",))) == []


def test_an_encoder_that_exists_already_needs_one_seed(make_record: MakeRecord) -> None:
    assert list(grid_problems([make_record("pretrained")], ("sma",))) == []


def test_another_protocol_is_refused_with_what_differs(make_record: MakeRecord) -> None:
    board = [make_record(seed=seed) for seed in range(3)]
    attacks = board[0].model_dump(mode="json")["attacks"]
    weaker = make_record("mine", protocol="ff" * 32, attacks=attacks[:2])
    (one,) = board_problems([weaker], board)
    assert "protocol ffffffff is on no published board of synthped-plaza" in one.what
    assert "attacks (random-noise sma, not fna random-noise sma)" in one.what
    (one,) = board_problems([make_record("mine", protocol="ff" * 32)], board)
    assert "what records do not tell: the images" in one.what
    assert list(board_problems([make_record("mine", dataset="market1501")], board)) == []


def test_a_reproduction_repeats_what_is_published_and_is_no_copy(make_record: MakeRecord) -> None:
    board = [make_record()]
    training = {**board[0].training.model_dump(), "seconds": 300.0}
    again = board[0].model_copy(update={"training": board[0].training.model_validate(training)})
    assert "published already" in next(board_problems([again], board)).what
    assert list(board_problems([again], board, is_reproduction=True)) == []
    (copied,) = board_problems(board, board, is_reproduction=True)
    assert "not a reproduction" in copied.what
    (unknown,) = board_problems([make_record(seed=5)], board, is_reproduction=True)
    assert "reproduces nothing" in unknown.what


def test_flags_and_cards_are_asked_for(make_record: MakeRecord) -> None:
    flags = [{"id": "too-good", "message": "m"}]
    (one,) = unacknowledged([make_record(flags=flags)], [])
    assert "too-good is raised 1 times" in one.what
    assert list(unacknowledged([make_record(flags=flags)], ["too-good"])) == []
    assert [one.what.split()[-1] for one in card_problems([make_record()])] == [
        "paper",
        "claims",
        "licence",
    ]


def test_a_folder_without_a_statement_has_nothing_to_compare(real: Path) -> None:
    assert list(submission_problems(real.parent, [load_record(real)])) == []
    (real.parent / "submission.json").write_text('{"files": {"../x": "0"}}')
    assert len(read_records([real.parent])) == 1, "it is no record"
    with pytest.raises(RecordError, match="submission"):
        list(submission_problems(real.parent, []))


def test_the_difference_of_boards(
    make_record: MakeRecord, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from results.board.make_boards import make_boards
    from results.records.store import write_record

    old = [make_record("ddid", clean=50.0), make_record("none", clean=70.0)]
    strong = [{**one, "map": 45.0} for one in make_record().model_dump(mode="json")["attacks"]]
    new = [*old, make_record("mine", attacks=strong)]
    text = difference_markdown(make_boards(old), make_boards(new))
    (line,) = (one for one in text.splitlines() if one.startswith("| mine"))
    assert [cell.strip() for cell in line.split("|")][1:4] == ["mine", "new", "1"]
    assert "was at place 1" in text
    assert "gone" not in text
    assert "1 published records are gone" in difference_markdown(
        make_boards(old), make_boards(new[1:])
    )
    assert "Nothing" in difference_markdown(make_boards(old), make_boards(old))
    for record in old:
        write_record(record, tmp_path)
    assert main([str(tmp_path), str(tmp_path)]) == 0
    assert "Nothing" in capsys.readouterr().out
    assert main([str(tmp_path), str(tmp_path / "nowhere")]) == 3
    assert main([]) == 2
