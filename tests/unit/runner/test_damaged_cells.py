"""A cell whose files are not what was written is computed again, whatever the damage is."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from benchmark.core.progress import SilentProgress
from benchmark.models.checkpoint import save_encoder
from benchmark.runner.journal import Journal
from benchmark.runner.run import run_benchmark
from benchmark.runner.store import CellStore, save_arrays
from tests.tiny_cell import tiny_cell
from tests.tiny_scene import tiny_encoder

CELL = tiny_cell("train")
FILES = ["arrays.npz", "encoder.json", "encoder.safetensors", "prepared.safetensors", "cell.json"]


def write(folder):
    save_arrays(folder, ap=np.arange(50.0))
    save_encoder(folder, tiny_encoder(), {"kind": "train"})
    save_file({"delta": torch.ones(100)}, folder / "prepared.safetensors")
    return {"map": 12.5, "worst": float("nan"), "kept": np.float32(1)}


def flip(path, place=0.5):
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)


@pytest.fixture
def published(tmp_path):
    return CellStore(tmp_path).publish(CELL, write).folder


def make_old(folder):
    """Take away from a card what cards from before do not have."""
    path = folder / "cell.json"
    card = json.loads(path.read_text())
    for key in ("sha256", "card_sha256", "environment"):
        del card[key]
    path.write_text(json.dumps(card))


def found(folder):
    return CellStore(folder.parent).find(CELL.fingerprint)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0.03, 0.5, 0.97])
def test_a_changed_bit_anywhere_is_damage(published, caplog, name, place):
    assert found(published) is not None
    flip(published / name, place)
    assert found(published) is None
    assert "damaged; it is computed again" in caplog.text


def test_a_changed_figure_on_the_card_is_damage(published):
    path = published / "cell.json"
    path.write_text(path.read_text().replace("12.5", "72.5"))
    assert found(published) is None


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_read_is_damage_and_is_replaced(published, name):
    (published / name).unlink()
    (published / name).mkdir()
    assert found(published) is None
    CellStore(published.parent).publish(CELL, write)
    assert found(published) is not None


@pytest.mark.parametrize("link", [True, False])
def test_what_lies_in_the_place_of_a_cell_is_replaced(tmp_path, link):
    store = CellStore(tmp_path)
    if link:
        store.path(CELL.fingerprint).symlink_to(tmp_path / "nowhere")
    else:
        store.path(CELL.fingerprint).write_text("")
    assert store.find(CELL.fingerprint) is None
    store.publish(CELL, write)
    assert found(store.path(CELL.fingerprint)) is not None


def test_a_cell_from_before_cards_had_hashes_stays_usable(published):
    make_old(published)
    stored = found(published)
    assert stored is not None
    assert stored.environment["device"] == "unknown"
    assert len(stored.arrays()["ap"]) == 50


@pytest.mark.parametrize(
    ("name", "place"),
    [("arrays.npz", 0.5), ("encoder.safetensors", 0.5), ("prepared.safetensors", 0.0)],
)
def test_its_files_tell_of_damage_as_far_as_they_can(published, name, place):
    make_old(published)
    flip(published / name, place)
    assert found(published) is None


def test_a_file_is_hashed_once_by_a_run(published, monkeypatch):
    store = CellStore(published.parent)
    assert store.find(CELL.fingerprint) is not None
    monkeypatch.setattr(
        "benchmark.runner.published_folder.is_sound", lambda *_: pytest.fail("hashed again")
    )
    assert store.get(CELL.fingerprint).outcome["map"] == 12.5


def test_a_run_computes_damaged_cells_again_and_ends_as_before(tiny_config):
    config = tiny_config(attack=["uap"])
    ((before, _),) = run_benchmark(config, SilentProgress()).records
    for path in sorted((config.output / "cells").rglob("*.*")):
        if path.suffix in (".npz", ".safetensors"):
            flip(path)
    ((after, _),) = run_benchmark(config, SilentProgress()).records
    events = [e["event"] for e in Journal(config.output / "journal.jsonl").read()]
    assert events.count("finished") == 2 * 4
    assert after.attacks[0].map == before.attacks[0].map
