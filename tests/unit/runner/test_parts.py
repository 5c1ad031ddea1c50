"""Cells in parts: kept one by one, not computed twice, and the whole is what it was."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmark.core.progress import SilentProgress
from benchmark.evaluation import shards
from benchmark.runner.journal import Journal
from benchmark.runner.run import run_benchmark
from benchmark.runner.store import CellStore, save_arrays
from tests.kills import Killed
from tests.tiny_cell import tiny_cell

BATCH = "evaluation.batch=2"


def run(config):
    return run_benchmark(config, SilentProgress())


def events(config, kind):
    return [e for e in Journal(config.output / "journal.jsonl").read() if e["event"] == kind]


def attack_outcomes(config):
    """Return what is kept of attacks and probes, without times and hashes of images, by label."""
    kept = {}
    for path in (config.output / "cells").glob("*/cell.json"):
        card = json.loads(path.read_text())
        outcome = {
            k: v for k, v in card["outcome"].items() if k not in ("seconds", "images_sha256")
        }
        if card["content"]["kind"] in ("attack", "probe"):
            with np.load(path.parent / "arrays.npz") if card["files"] else nothing() as arrays:
                kept[card["label"]] = outcome, {n: arrays[n].tolist() for n in arrays}
    return kept


class nothing(dict):  # noqa: N801
    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(shards, "SHARD_IMAGES", 4)


def test_a_run_in_shards_finds_what_one_in_one_piece_finds(tiny_config, tmp_path, monkeypatch):
    whole = tiny_config(BATCH, output=tmp_path / "whole")
    run(whole)
    monkeypatch.setattr(shards, "SHARD_IMAGES", 4)
    divided = tiny_config(BATCH, output=tmp_path / "divided")
    run(divided)
    assert [e["part"] for e in events(divided, "part")] == 3 * [
        "query-0-4",
        "query-4-8",
        "query-8-12",
    ]
    assert attack_outcomes(divided) == attack_outcomes(whole)
    assert len(attack_outcomes(whole)) == 3
    assert [e["cell"] for e in events(divided, "finished")] == [
        e["cell"] for e in events(whole, "finished")
    ]
    assert not list((divided.output / "cells").glob(".*"))


@pytest.mark.usefixtures("small_shards")
def test_a_kill_loses_one_shard(tiny_config, monkeypatch):
    config = tiny_config(BATCH)
    original, published = CellStore.publish_part, []

    def kill(store, cell, part, write):
        published.append(part)
        if len(published) == 5:
            raise Killed
        original(store, cell, part, write)

    monkeypatch.setattr(CellStore, "publish_part", kill)
    with pytest.raises(Killed):
        run(config)
    assert len(events(config, "part")) == 4
    assert len(run(config).records) == 1
    assert len(events(config, "part")) == len(published) - 1 == 9


@pytest.mark.usefixtures("small_shards")
def test_a_damaged_part_is_computed_again(tiny_config, monkeypatch):
    config = tiny_config(BATCH, attack=["tiny-attack"])
    original = CellStore.publish_part
    folders = []

    def kill(store, cell, part, write):
        if part == "query-8-12":
            raise Killed
        original(store, cell, part, write)
        folders.append(store.find_part(cell, part).folder)

    with monkeypatch.context() as patched:
        patched.setattr(CellStore, "publish_part", kill)
        with pytest.raises(Killed):
            run(config)
    arrays = folders[0] / "arrays.npz"
    content = bytearray(arrays.read_bytes())
    content[100] ^= 1
    arrays.write_bytes(content)
    run(config)
    parts = [event["part"] for event in events(config, "part")]
    assert parts == ["query-0-4", "query-4-8", "query-0-4", "query-8-12"]


def test_a_probe_is_kept_measurement_by_measurement(tiny_config):
    config = tiny_config("evaluation.checks=true", attack=["tiny-attack"])
    run(config)
    parts = [event["part"] for event in events(config, "part")]
    assert parts[:4] == ["consistency", "encoder-gradients", "view-gradients", "square"]
    (probe,) = [e for e in events(config, "finished") if " probe " in e["label"]]
    assert probe["passes"] > 0
    assert not list((config.output / "cells").glob(".*"))


def test_parts_are_found_by_their_names_and_go_with_the_working_folder(tmp_path):
    store, cell = CellStore(tmp_path), tiny_cell("clean")
    assert store.find_part(cell, "a") is None

    def write(folder):
        save_arrays(folder, ap=np.arange(3.0))
        return {"n": 1}

    store.publish_part(cell, "a", write)
    assert store.find_part(cell, "b") is None
    found = store.get_part(cell, "a")
    assert (found.outcome, found.arrays()["ap"].tolist()) == ({"n": 1}, [0, 1, 2])
    assert store.find_part(tiny_cell("other"), "a") is None
    (found.folder / "part.json").write_text("{}")
    assert store.find_part(cell, "a") is None
    draft = found.folder.parent / ".partial-a-1"
    draft.mkdir()
    store.clean_up()
    assert not draft.exists()
    store.forget_work(cell)
    assert not list(tmp_path.iterdir())
