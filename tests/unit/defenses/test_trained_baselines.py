"""What all adversarial trainings of the baselines craft: legal images that raise the objective."""

from __future__ import annotations

import pytest
import torch

from benchmark.training.step import Step
from tests.tiny_scene import make_defense
from tests.unit.defenses.tiny_step import CONFIG, tiny_step

NAMES = ["pgd-at", "trades", "avmixup", "act", "metric-trades", "dynamic-budget-at"]
FROM_THE_REGISTRY = ("avmixup", "metric-trades")
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
