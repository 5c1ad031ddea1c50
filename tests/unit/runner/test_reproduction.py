"""The command of a row tells a run what its records hold."""

from __future__ import annotations

import shlex
from functools import cache
from pathlib import Path

import pytest

import results
from benchmark.config.load import load_run_config
from benchmark.core.plugin import options_of
from benchmark.core.registry import DEFENSES
from benchmark.data.synthped.dataset import KNOWN_SHA256
from benchmark.runner.choice import choose
from benchmark.runner.plan import make_plan
from benchmark.runner.reproduction import command_of, reproduction
from results.board.make_boards import make_boards
from results.records.store import read_records
from tests.unit.results.conftest import attack, build

PUBLISHED = Path(results.__file__).parent / "published"


@cache
def rows(folder: str):
    boards = make_boards(read_records([PUBLISHED / folder]))
    return [row for board in boards for row in board.rows]


@pytest.mark.parametrize(
    ("folder", "labels"),
    [
        ("board", ("ddid, tuned", "metric-at, trained at 12/255", "none")),
        ("board-cross", ("free-ddid",)),
        ("board-grid", ("trades",)),
    ],
)
def test_the_command_of_a_published_row_gives_its_protocol_and_its_options(folder, labels):
    found = {row.label: row for row in rows(folder)}
    for row in (found[label] for label in labels):
        record = row.records[0]
        told = reproduction(row.records)
        config = load_run_config(told.options, told.assignments)
        name = record.defense.name
        options = config.options_of_defense(name)
        assert options_of(DEFENSES.get(name).parse_config(options)) == record.defense.config
        assert options_of(config.training) == record.training.recipe or name == "none"
        assert (config.image_size, config.backbone.name) == (record.image_size, record.backbone)
        assert tuple(config.seed) == row.seeds
        assert config.test_datasets == [one.dataset for one in record.cross_dataset]
        assert config.label == record.label
        choice = choose(config)
        hashes = {name: KNOWN_SHA256[name, config.size] for name in choice.sources}
        assert make_plan(config, choice, hashes).protocol == record.protocol.fingerprint


def test_the_preset_of_a_row_leaves_nothing_to_say():
    row = next(one for one in rows("board") if one.label == "ddid, tuned")
    assert shlex.split(command_of(row.records).replace("\\\n", " ")) == shlex.split(
        "python -m benchmark run --defense ddid --preset board-tuned --seed 0 1 2 "
        "--label 'ddid, tuned'"
    )


def test_what_no_preset_has_is_set():
    one = attack("fna", 20.0, 4.0, intent="impersonate", target_rule="nearest", params={})
    record = build(
        "metric-at",
        3,
        attacks=[one],
        config={},
        label="it's mine; rm -rf .",
        training={
            "seconds": 1, "epochs": 7, "images": 1, "peak_memory_bytes": 1,
            "recipe": {"epochs": 7, "inner": {"steps": 9}},
        },
    )  # fmt: skip
    found = reproduction([record])
    assert found.options["eps"] == ["4"]
    assert (found.options["intent"], found.options["target"]) == ("impersonate", "nearest")
    assert {"training.epochs=7", "training.inner.steps=9"} <= set(found.assignments)
    parts = shlex.split(found.command.replace("\\\n", " "))
    assert parts[parts.index("--label") + 1] == "it's mine; rm -rf ."


def test_a_defense_that_is_not_here_says_so():
    assert command_of([build("of-somebody-else")]).startswith("n/a: ")


def test_what_has_changed_since_stands_before_the_command():
    record = build("ddid", config={"clean_share": 0.5}, behaviour="ddid@0", attacks=[])
    notes = [line for line in command_of([record]).splitlines() if line.startswith("# ")]
    assert "ddid@0" in notes[0]
    assert "self_meta" in notes[1]
