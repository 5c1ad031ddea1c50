from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from benchmark.core.defense import TrainingStep
from benchmark.core.errors import UsageError
from benchmark.training.carried import Carried
from benchmark.training.config import InnerConfig
from defenses.uap_at import UAPAT
from tests.kills import check_survives_a_kill
from tests.tiny_scene import TRAINING, fit, make_defense

STEPS_AN_EPOCH = 3
RADIUS = 7.3  # no perturbed pixel is exactly 0 or 1, where the gradient of a clip is anyone's


class Watched(UAPAT):
    """Follows the perturbation by hand, on a copy of the model, one image after the other."""

    name = "watched"

    def __init__(self, **options: Any) -> None:
        super().__init__(self.Config(eps_255=RADIUS, **options))
        self.expected: list[tuple[Tensor, Tensor]] = []
        self.started: list[Tensor] = []
        self.kept: list[Tensor] = []
        self.learned: list[tuple[Tensor, Tensor]] = []

    def training_step(self, step: TrainingStep) -> Tensor:
        model, before = copy.deepcopy(step.model), self.carried(step)
        images: list[Tensor] = []
        with pytest.MonkeyPatch.context() as patch:
            real = step.retrieval_loss
            patch.setattr(step, "retrieval_loss", lambda x: images.append(x) or real(x))
            loss = super().training_step(step)
        after = self.carried(step)
        self.kept.append((images[0] != step.images).flatten(1).any(1))
        self.learned.append((images[0].detach(), step.images))
        if before is not None and torch.equal(before[0], after[0]):  # no restart in between
            moved, velocity = self.expected[-1]
            torch.testing.assert_close(after[1], velocity, atol=1e-3, rtol=1e-3)
            clear = velocity.abs() > 1e-3  # rounding decides the sign of what is zero
            torch.testing.assert_close(after[0][clear], moved[clear])
            assert float(clear.float().mean()) > 0.8
        else:
            assert float(after[1].abs().max()) == 0
            self.started.append(after[0])
        delta, velocity = after
        leaf = images[0].detach().requires_grad_(True)
        step.output_loss(model(leaf), step.labels).backward()
        gradient = torch.zeros_like(delta)
        for image, clean, own, kept in zip(
            leaf, step.images, leaf.grad, self.kept[-1], strict=True
        ):
            expected = (clean + kept * delta).clamp(0, 1)
            torch.testing.assert_close(image, expected)
            inside = (clean + kept * delta >= 0) & (clean + kept * delta <= 1)
            gradient += kept * inside * own
        velocity = self.config.momentum * velocity + gradient / gradient.abs().mean()
        moved = delta + self.config.alpha_255 / 255 * velocity.sign()
        self.expected.append((moved.clamp(-RADIUS / 255, RADIUS / 255), velocity))
        return loss

    def carried(self, step: TrainingStep) -> tuple[Tensor, Tensor] | None:
        tensors = cast(Carried, step.modules["perturbation"]).tensors
        return (tensors["delta"][0], tensors["velocity"][0]) if tensors else None


@pytest.mark.parametrize(
    "options", [{}, {"momentum": 0.5, "alpha_255": 3.0, "share": 0.5, "equal_passes": False}]
)
def test_the_perturbation_moves_as_published(options: dict[str, Any], tmp_path: Path) -> None:
    defense = Watched(**options)
    trained = fit(defense, tmp_path)
    passes = 3 if defense.config.equal_passes else 1  # of metric-at a step, with one inner step
    epochs = passes * TRAINING.epochs
    assert trained.epochs == epochs
    assert trained.passes == {
        "inner_forward": 0,
        "inner_backward": 0,
        "outer": epochs * STEPS_AN_EPOCH * 8,
    }
    assert len(defense.expected) == epochs * STEPS_AN_EPOCH
    share = float(torch.cat(defense.kept).float().mean())
    assert share == pytest.approx(defense.config.share, abs=0.12)
    assert len({tuple(kept.tolist()) for kept in defense.kept}) > 5


def test_every_restart_is_another_draw_from_the_ball(tmp_path: Path) -> None:
    defense = Watched(restart_steps=1)
    trained = fit(defense, tmp_path)
    assert len(defense.started) == STEPS_AN_EPOCH * trained.epochs
    for one, other in zip(defense.started, defense.started[1:], strict=False):
        assert not torch.equal(one, other)
    flat = torch.cat(defense.started).flatten() * 255
    assert RADIUS - 0.1 < float(flat.abs().max()) <= RADIUS
    assert abs(float(flat.mean())) < 0.2
    assert float(flat.std()) == pytest.approx(RADIUS / 3**0.5, rel=0.05)


@pytest.mark.parametrize(("every", "restarts"), [(2, 5), (4, 3), (9, 1)])
def test_it_restarts_after_so_many_steps(every: int, restarts: int, tmp_path: Path) -> None:
    defense = Watched(equal_passes=False, restart_steps=every)
    assert fit(defense, tmp_path).epochs * STEPS_AN_EPOCH == 9
    assert len(defense.started) == restarts


def test_a_killed_training_restarts_at_the_same_step(tmp_path: Path) -> None:
    """The perturbation, its momentum and its age are in the checkpoint."""
    options = {"equal_passes": False, "restart_steps": 7}
    check_survives_a_kill(lambda: make_defense("uap-at", **options), tmp_path, 5)


def test_the_radius_is_that_of_the_recipe_unless_told_otherwise(tmp_path: Path) -> None:
    small = TRAINING.model_copy(update={"inner": InnerConfig(eps_255=2.0, steps=1)})
    for options, radius in (({}, 2), ({"eps_255": 5.0}, 5)):
        defense = make_defense("uap-at", **options, equal_passes=False)
        seen: list[float] = []
        real = defense.training_step

        def watch(step: TrainingStep, real: Any = real, seen: list[float] = seen) -> Tensor:
            loss = real(step)
            loss.backward(retain_graph=True)
            tensors = cast(Carried, step.modules["perturbation"]).tensors
            seen.append(float(tensors["delta"].abs().max()) * 255)
            return loss

        defense.training_step = watch  # type: ignore[method-assign]
        fit(defense, tmp_path / str(radius), training=small)
        assert radius - 0.1 < max(seen) <= radius + 1e-4


def test_options() -> None:
    assert make_defense("uap-at").trained_against == ()
    assert make_defense("uap-at").epochs(18, 3) == 90
    assert make_defense("uap-at", equal_passes=False).epochs(18, 3) == 18
    for wrong in ({"restart_steps": 0}, {"share": 0}, {"eps_255": 0}):
        with pytest.raises(UsageError):
            make_defense("uap-at", **wrong)
