"""Attacked images in shards are, put together, those of one piece, bit for bit."""

from __future__ import annotations

import hashlib
from dataclasses import fields

import numpy as np
import pytest
import torch

from benchmark.core.threat import Scenario
from benchmark.evaluation import shards
from benchmark.evaluation.attack_inputs import attacked_sides
from benchmark.evaluation.evaluator import Evaluator
from benchmark.evaluation.perturbed_images import PerturbedImages, joined
from benchmark.evaluation.shards import Shard, shards_of
from benchmark.runner.cells.kept_shard import read_perturbed, write_perturbed
from benchmark.runner.store import StoredCell
from tests.tiny_scene import CPU, image_set, make_attack, tiny_encoder


@pytest.mark.parametrize(
    ("count", "batch", "stops"),
    [
        (300, 64, [128, 256, 300]),
        (300, 50, [100, 200, 300]),
        (300, 200, [200, 300]),
        (128, 64, [128]),
        (0, 64, []),
    ],
)
def test_shards_hold_whole_batches(count: int, batch: int, stops: list[int]) -> None:
    found = shards_of({"query": count}, batch)
    assert [one.stop for one in found] == stops
    assert [one.start for one in found] == [0, *stops][: len(stops)]


def test_the_shards_of_two_sets_have_names_of_their_own() -> None:
    names = [one.name for one in shards_of({"query": 129, "gallery": 5}, 64)]
    assert names == ["query-0-128", "query-128-129", "gallery-0-5"]


def crafted(name: str, scenario: Scenario, monkeypatch: pytest.MonkeyPatch):
    """Return the images of each attacked set in one piece, and in shards of four."""
    monkeypatch.setattr(shards, "SHARD_IMAGES", 4)
    whole = image_set(identities=6, size=(16, 8))
    is_query = np.arange(len(whole)) % 2 == 0
    query, gallery = whole.subset(is_query), whole.subset(~is_query)
    evaluator = Evaluator.of(tiny_encoder(), query, gallery, policy=CPU, owner="tiny", batch=2)
    for side in attacked_sides(scenario):
        pieces: list[list[PerturbedImages]] = []
        for divided in (False, True):
            attack = make_attack(name, **({"queries": 8} if name == "square" else {}))
            inputs = evaluator.inputs(evaluator.view(attack.threat), 3, scenario)
            found = shards_of({side: len(inputs.rows(side))}, 2)
            chosen: list[Shard | None] = [*found] if divided else [None]
            pieces.append([evaluator.perturbed(attack, inputs, side, 3, shard=s) for s in chosen])
        yield pieces[0][0], pieces[1]


def same(one: object, other: object) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    return bool(np.array_equal(one, other))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "scenario"),
    [
        ("metric-pgd", Scenario()),
        ("square", Scenario()),
        ("metric-ifgsm", Scenario(side="both", fraction=0.8)),
        ("metric-ifgsm", Scenario(intent="impersonate")),
    ],
)
def test_shards_together_are_the_set_in_one_piece(
    name: str, scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    for whole, parts in crafted(name, scenario, monkeypatch):
        assert len(parts) > 1
        together = joined(parts)
        for one in fields(PerturbedImages):
            if one.name not in ("seconds", "images_sha256"):
                assert same(getattr(together, one.name), getattr(whole, one.name)), one.name
        assert together.trace == whole.trace
        hashes = "".join(part.images_sha256 for part in parts)
        assert together.images_sha256 == hashlib.sha256(hashes.encode()).hexdigest()


def test_a_shard_on_disk_is_the_shard(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    ((_, (first, *_)),) = crafted("square", Scenario(), monkeypatch)
    outcome = write_perturbed(tmp_path, first)
    found = read_perturbed(StoredCell(tmp_path, outcome, {}))
    assert all(same(getattr(found, f.name), getattr(first, f.name)) for f in fields(first))
