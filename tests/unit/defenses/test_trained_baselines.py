"""What all adversarial trainings of the baselines owe: legal images, a fair count, a resume."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from benchmark.core.attack import Attack
from benchmark.training.step import Step
from tests.kills import KillAfter, Killed
from tests.tiny_scene import TRAINING, fit, make_defense, same_weights
from tests.unit.defenses.tiny_step import CONFIG, tiny_step

NAMES = ["pgd-at", "trades", "avmixup", "act", "metric-trades", "dynamic-budget-at"]
FROM_THE_REGISTRY = {"avmixup": ("metric-pgd",), "metric-trades": ("sma",)}
"""Whose inner attack is one of the registry's."""
BUDGET = CONFIG.inner.eps_255 / 255


@pytest.mark.parametrize("name", NAMES)
def test_what_is_crafted_is_legal_and_the_model_stays_as_it_was(name: str) -> None:
    step = tiny_step()
    before = {key: value.clone() for key, value in step.model.named_parameters()}
    clean = step.images.clone()
    loss = make_defense(name).training_step(step)
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.equal(step.images, clean)
    crafted = [one.images for one in step.ascents] + step.attacked
    assert len(crafted) == 1
    assert 1 / 255 < float((crafted[0] - clean).abs().max()) <= BUDGET + 1e-6
    assert float(crafted[0].min()) >= 0
    assert float(crafted[0].max()) <= 1
    assert not crafted[0].requires_grad
    for key, value in step.model.named_parameters():
        assert torch.equal(value, before[key])
        assert (value.grad is not None) == value.requires_grad, key
    assert all(part.training for part in step.model.modules())


@pytest.mark.parametrize("name", [name for name in NAMES if name not in FROM_THE_REGISTRY])
def test_the_objective_ends_above_its_start(name: str) -> None:
    step = tiny_step()
    make_defense(name).training_step(step)
    (one,) = step.ascents
    start = Step.ascend(step, one.objective, one.clean, **{**one.options, "steps": 0})
    first, last = (float(one.objective(step.eval_output(x)).sum()) for x in (start, one.images))
    assert last > first


@pytest.mark.parametrize("name", NAMES)
def test_records_mark_as_seen_the_attacks_of_the_registry_that_it_asks_for(name: str) -> None:
    step = tiny_step()
    build, asked = step.inner_attack, []

    def note(attack: str, options: Mapping[str, object]) -> Attack:
        asked.append(attack)
        return build(attack, options)

    step.inner_attack = note
    defense = make_defense(name)
    defense.training_step(step)
    assert tuple(asked) == defense.trained_against == FROM_THE_REGISTRY.get(name, ())


@pytest.mark.parametrize("name", NAMES)
def test_plans_count_the_passes_that_are_made(name: str, tmp_path: Path) -> None:
    defense = make_defense(name)
    trained = fit(defense, tmp_path)
    steps = TRAINING.inner.steps
    planned = defense.passes(steps) * trained.images
    assert trained.passes["inner_backward"] == steps * trained.images
    assert trained.passes["inner_backward"] + trained.passes["outer"] == planned


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_training_ends_at_the_same_weights(name: str, tmp_path: Path) -> None:
    whole = fit(make_defense(name), tmp_path / "whole")
    with pytest.raises(Killed):
        fit(make_defense(name), tmp_path / "killed", progress=KillAfter(4, noted=True))
    resumed = fit(make_defense(name), tmp_path / "killed")
    assert same_weights(whole.encoder, resumed.encoder)
    assert whole.history == resumed.history
    assert whole.passes == resumed.passes
    other = fit(make_defense(name), tmp_path / "other", seed=1)
    assert not same_weights(whole.encoder, other.encoder)
