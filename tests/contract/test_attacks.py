"""What every registered attack owes, built-in or not."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.checks.attack_contract import check_attack
from benchmark.core.attack import Attack, AttackOutcome
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.errors import PluginError
from benchmark.core.registry import ATTACKS
from benchmark.core.seeding import derive_seed
from benchmark.core.threat import Intent
from tests.tiny_preparation import assert_kills_do_not_matter, prepared, task
from tests.tiny_scene import CPU, image_set, make_attack, scene, short_options, tiny, tiny_encoder
from tests.tiny_stage import tiny_stage

NAMES = ATTACKS.names()
every = pytest.mark.parametrize("name", NAMES)

PREPARED = [name for name in NAMES if ATTACKS.get(name).needs_preparation]
OTHER_NETWORKS = [
    pytest.param("mis-ranking", {"visual": False}, id="mis-ranking-plain"),
    pytest.param("mis-ranking", {"mask_ratio": 0.25}, id="mis-ranking-masked"),
]


def forms(names: list[str]) -> pytest.MarkDecorator:
    """Parametrise by name and options: the defaults, and those that make other networks."""
    defaults = [pytest.param(name, {}, id=name) for name in names]
    return pytest.mark.parametrize(("name", "options"), defaults + OTHER_NETWORKS)


DRAWS_NOTHING = {*PREPARED, "reid-aa"}
"""Attacks whose seeds do not matter once they are prepared."""


def made(name: str, eps_255: float = 8.0, **options: Any) -> Attack:
    return make_attack(name, eps_255, **short_options(name, **options))


def attacked(
    attack: Attack, batch: AttackBatch, folder: Path, size: tuple[int, int] = (16, 8)
) -> AttackOutcome:
    """Attack the tiny encoder, after a preparation if there has to be one."""
    if attack.needs_preparation and not attack.prepared:
        attack.prepared = prepared(attack, task(folder, size=size))
    return attack.run(tiny(double=batch.images.dtype == torch.float64)[0], batch)


@forms(NAMES)
def test_it_keeps_its_contract(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    plugin = ATTACKS.get(name)
    assert plugin.name == name
    chosen = short_options(name, **options)
    results = check_attack(plugin, chosen, policy=CPU, work_dir=tmp_path, stage=tiny_stage())
    assert len(results) >= 10
    assert not [result for result in results if not result.passed or result.warns]


@every
def test_it_says_what_it_is_and_whose_encoder_it_sees(name: str) -> None:
    plugin = ATTACKS.get(name)
    assert plugin.summary().endswith((".", ";"))
    config = plugin.parse_config({})
    looks_through_others = plugin.threat_with(config).knowledge == "transfer"
    assert bool(plugin.surrogates(config)) == looks_through_others


@every
@settings(max_examples=3)
@given(
    eps_255=st.floats(0.1, 255),  # none at all: see below
    size=st.sampled_from([(16, 8), (9, 14), (24, 11)]),
    seed=st.integers(0, 2**32),
    start=st.floats(0.1, 1),
)
def test_images_of_any_shape_stay_in_the_ball_and_in_the_box(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    eps_255: float,
    size: tuple[int, int],
    seed: int,
    start: float,
) -> None:
    batch = scene(tiny()[0], image_set(size=size), [0, 9], seed)
    options = {"start": start} if "start" in ATTACKS.get(name).Config.model_fields else {}
    folder = tmp_path_factory.mktemp("shape")
    outcome = attacked(made(name, eps_255, **options), batch, folder, size)
    for images in (outcome.images, *outcome.snapshots.values()):
        assert float((images - batch.images).abs().max()) <= eps_255 / 255 + 1e-6
        assert 0 <= float(images.min()) <= float(images.max()) <= 1


@every
def test_without_a_budget_nothing_is_asked_and_nothing_changes(name: str, tmp_path: Path) -> None:
    _, batch = tiny()
    outcome = attacked(made(name, 0.0), batch, tmp_path)
    assert torch.equal(outcome.images, batch.images)
    assert (outcome.queries, outcome.forwards, outcome.backwards) == (0, 0, 0)


@every
def test_what_it_draws_goes_by_the_seed_of_each_image(name: str, tmp_path: Path) -> None:
    _, batch = tiny(double=name not in PREPARED)
    is_started = "start" in ATTACKS.get(name).Config.model_fields
    attack = made(name, **({"start": 1.0} if is_started else {}))
    run = functools.partial(attacked, attack, folder=tmp_path)
    whole = run(batch)
    torch.manual_seed(7)
    part = run(batch.rows(torch.tensor([2, 0])))
    assert part.snapshots.keys() == whole.snapshots.keys()
    pairs = [(part.images, whole.images)]
    pairs += [(part.snapshots[mark], whole.snapshots[mark]) for mark in whole.snapshots]
    for turned, together in pairs:
        same = (turned - together[[2, 0]]).abs() < 1e-9
        assert float(same.double().mean()) > 0.999
    reseeded = replace(batch, seeds=[derive_seed(seed, "other") for seed in batch.seeds])
    assert torch.equal(run(reseeded).images, whole.images) == (name in DRAWS_NOTHING)


@pytest.mark.parametrize("intent", ["impersonate", "rank-down"])
@every
def test_it_goes_where_it_is_told(name: str, intent: Intent, tmp_path: Path) -> None:
    if intent not in ATTACKS.get(name).intents:
        return
    encoder, batch = tiny()
    targets = torch.tensor([3, 4, 1])
    none, direction = torch.full_like(batch.camids, -1), -1.0 if intent == "impersonate" else 1.0
    told = replace(batch, pids=targets, camids=none, direction=direction)
    images = attacked(made(name), told, tmp_path).images
    guides = torch.nn.functional.normalize(batch.gallery_guides.embeddings)
    is_target = (batch.gallery_guides.pids[None] == targets[:, None]).float()

    def near(images: torch.Tensor) -> float:
        with torch.no_grad():
            cosines = torch.nn.functional.normalize(encoder(images)) @ guides.T
        return float((cosines * is_target).sum() / is_target.sum())

    assert direction * (near(images) - near(batch.images)) < 0


@forms(PREPARED)
def test_a_killed_preparation_ends_the_same(
    name: str, options: dict[str, Any], tmp_path: Path
) -> None:
    """Before its first checkpoint, within an epoch, and between two."""
    chosen = short_options(name, epochs=3, epoch_steps=2, **options)
    assert_kills_do_not_matter(ATTACKS.get(name), chosen, tmp_path, kills=(1, 3, 4))


@pytest.mark.parametrize("name", PREPARED)
def test_it_needs_a_preparation_unless_it_may_change_nothing(name: str, tmp_path: Path) -> None:
    encoder, batch = tiny()
    with pytest.raises(PluginError, match="has not been prepared"):
        made(name).run(encoder, batch)
    assert made(name, 0.0).prepare(task(tmp_path, encoder=tiny_encoder())) == {}
