"""DDID's parts on a free perturbation: what moves it, and what each part changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from benchmark.core.defense import TrainingStep
from benchmark.core.errors import UsageError
from benchmark.core.seeding import derive_seed
from benchmark.training.carried import Carried
from benchmark.training.config import InnerConfig
from defenses.ddid.fnes import extend, mixing_weights
from defenses.free_ddid import FreeDDID
from tests.tiny_scene import ONE_EPOCH, fit, make_defense, same_weights
from tests.unit.defenses.tiny_step import tiny_step

PARTS = ("balancing", "fnes", "discriminator", "self_meta")
OFF: dict[str, object] = dict.fromkeys(PARTS, False)
REAL: dict[str, object] = {"balancing": False, "discriminator_hidden": 8}
ONE_STEP = ONE_EPOCH.model_copy(update={"inner": InnerConfig(eps_255=4.0, steps=1)})


def test_with_all_parts_off_it_is_free_at(tmp_path: Path) -> None:
    ours = fit(make_defense("free-ddid", **OFF), tmp_path / "free-ddid")
    theirs = fit(make_defense("free-at"), tmp_path / "free-at")
    assert same_weights(ours.encoder, theirs.encoder)
    assert ours.history == theirs.history
    assert ours.passes == theirs.passes


def test_without_parts_nothing_but_the_loss_passes(tmp_path: Path) -> None:
    defense = make_defense("free-ddid", **OFF)
    trained = fit(defense, tmp_path, training=ONE_STEP)
    outer = int(defense.passes(1) * trained.images)
    assert trained.passes == {"inner_forward": 0, "inner_backward": 0, "outer": outer}


class Watched(FreeDDID):
    """Keeps what each step trained on, and the perturbation before and after it."""

    name = "watched"

    def __init__(self, **options: Any) -> None:
        super().__init__(self.Config(**options))
        self.steps: list[dict[str, Tensor]] = []

    def training_step(self, step: TrainingStep) -> Tensor:
        carried = cast(Carried, step.modules["perturbation"]).tensors
        if self.steps:
            self.steps[-1]["after"] = carried["delta"]
        self.steps.append({"clean": step.images, "seed": torch.tensor(step.seed)})
        return super().training_step(step)

    def _perturbed(self, step: TrainingStep) -> tuple[Tensor, Tensor | None]:
        images, targets = super()._perturbed(step)
        images.register_hook(lambda gradient: self.steps[-1].update(gradient=gradient))
        self.steps[-1]["images"] = images.detach()
        return images, targets


@pytest.mark.parametrize("self_meta", [False, True])
def test_the_backward_pass_moves_the_perturbation_of_every_image(
    self_meta: bool, tmp_path: Path
) -> None:
    defense = Watched(self_meta=self_meta, **REAL)
    fit(defense, tmp_path, training=ONE_STEP)
    delta = torch.zeros_like(defense.steps[0]["clean"])
    for seen in defense.steps[:-1]:
        options = defense.config.fnes_options
        omega = mixing_weights(len(delta), options, derive_seed(int(seen["seed"]), "omega"))
        perturbed = (seen["clean"] + delta).clamp(0, 1)
        expected = extend(seen["clean"], perturbed, omega, options.gamma)
        torch.testing.assert_close(seen["images"], expected)
        assert bool((seen["gradient"].flatten(1).abs().sum(1) > 0).all())  # of both halves
        delta = (delta + 4 / 255 * seen["gradient"].sign()).clamp(-4 / 255, 4 / 255)
        torch.testing.assert_close(seen["after"], delta)
    assert len(defense.steps) > 2
    assert torch.equal(defense.steps[0]["clean"], defense.steps[1]["clean"])  # replayed


@pytest.mark.parametrize("part", ["fnes", "discriminator", "self_meta"])
def test_each_part_changes_the_training(part: str, tmp_path: Path) -> None:
    without = fit(make_defense("free-ddid", **{**REAL, part: False}), tmp_path / "without")
    assert not same_weights(
        fit(make_defense("free-ddid", **REAL), tmp_path / "all").encoder, without.encoder
    )


def test_the_encoder_hides_adversarial_features_and_the_discriminator_finds_them() -> None:
    """The clean side has no gradient: only adversarial features are moved toward it."""
    step = tiny_step()
    only = {**OFF, "discriminator": True, "discriminator_hidden": 8}
    gradients = []
    for weight in (0.0, 1.0):
        defense = make_defense("free-ddid", discriminator_weight=weight, **only)
        torch.manual_seed(0)
        modules = defense.extra_modules(step.model.encoder.embedding_dim)
        step.modules = modules
        step.model.zero_grad()
        defense.training_step(step).backward()  # type: ignore[no-untyped-call]
        judge = modules["discriminator"]
        assert all(p.grad is not None for p in judge.parameters() if p.requires_grad)
        gradients.append(
            [p.grad.clone() for p in step.model.encoder.parameters() if p.grad is not None]
        )
    assert any(not torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_options_and_source() -> None:
    defense = make_defense("free-ddid")
    assert defense.trained_against == ()
    assert defense.replays() == 4
    assert defense.epochs(18, 3) == 90
    for wrong in ({"replays": 0}, {"fnes_options": {"gamma": 0.5}}, {"clean_share": 0.5}):
        with pytest.raises(UsageError):
            make_defense("free-ddid", **wrong)
