"""The discriminator that takes turns with the encoder, and the meta-test half attacked anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.core.defense import TrainingStep
from benchmark.core.seeding import derive_seed
from benchmark.training.step import Step
from defenses.ddid.alternating import AlternatingDiscriminator
from defenses.ddid.defense import DDID, AdversarialBatch, parameters_at
from defenses.ddid.feature_discriminator import discriminator_loss, log_likelihood
from defenses.ddid.self_meta import split_identities
from tests.kills import KillAfter, Killed
from tests.tiny_scene import ONE_EPOCH, fit, make_defense, same_weights, tiny_encoder

PARTS: dict[str, object] = {"balancing": False, "discriminator_hidden": 8}
ALTERNATING = {**PARTS, "discriminator_update": "alternating"}


def features(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(6, 4, generator=generator) + 1, torch.randn(5, 4, generator=generator) - 1


def test_a_step_of_the_discriminator_is_that_of_adam_on_cross_entropy() -> None:
    torch.manual_seed(0)
    one = AlternatingDiscriminator(4, 8).eval()  # eval: the spectral norms stand still
    torch.manual_seed(0)
    other = AlternatingDiscriminator(4, 8).eval().discriminator.requires_grad_(True)
    optimiser = torch.optim.Adam(other.parameters())
    for turn, rate in enumerate([0.01, 0.003]):
        clean, adversarial = features(turn)
        logits = other(F.normalize(torch.cat([clean, adversarial])) * 2)
        labels = torch.tensor([1.0] * 6 + [0.0] * 5)
        bce = F.binary_cross_entropy_with_logits
        loss = bce(logits[:6], labels[:6]) + bce(logits[6:], labels[6:])
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        assert one.learn(clean, adversarial, rate) == pytest.approx(float(loss.detach()))
    for ours, theirs in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_nothing_else_moves_it_and_it_moves_nothing_else() -> None:
    one = AlternatingDiscriminator(4, 8)
    assert not [p for p in one.parameters() if p.requires_grad]
    clean, adversarial = (part.requires_grad_(True) for part in features())
    one.learn(clean, adversarial, 0.01)
    assert clean.grad is None
    assert not [p for p in one.parameters() if p.requires_grad or p.grad is not None]


def test_the_encoder_descends_what_the_reversal_gives_it() -> None:
    """With the same discriminator, both updates send the same gradient to the encoder."""
    one = AlternatingDiscriminator(4, 8).eval()
    found = []
    for alternating in (True, False):
        clean, adversarial = (part.requires_grad_(True) for part in features())
        if alternating:
            loss = 0.3 * log_likelihood(one, clean, adversarial)
        else:
            loss = discriminator_loss(one, clean, adversarial, 0.3)
        found.append(torch.autograd.grad(loss, [clean, adversarial]))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)
        assert float(ours.abs().max()) > 0


def test_its_state_carries_the_optimiser() -> None:
    torch.manual_seed(0)
    one, other = AlternatingDiscriminator(4, 8), AlternatingDiscriminator(4, 8)
    one.learn(*features(), 0.01)
    other.load_state_dict(one.state_dict())
    assert one.learn(*features(1), 0.01) == other.learn(*features(1), 0.01)
    for ours, theirs in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    fresh = AlternatingDiscriminator(4, 8)
    fresh.load_state_dict({**one.state_dict(), "_extra_state": fresh.get_extra_state()})
    one.learn(*features(2), 0.01)
    fresh.learn(*features(2), 0.01)
    assert not torch.equal(next(one.parameters()), next(fresh.parameters()))


@pytest.mark.parametrize("self_meta", [False, True])
def test_a_killed_training_ends_as_if_it_had_not_been(self_meta: bool, tmp_path: Path) -> None:
    options = {**ALTERNATING, "self_meta": self_meta}
    whole = fit(make_defense("ddid", **options), tmp_path / "whole")
    with pytest.raises(Killed):
        fit(make_defense("ddid", **options), tmp_path / "killed", progress=KillAfter(5))
    resumed = fit(make_defense("ddid", **options), tmp_path / "killed")
    assert same_weights(whole.encoder, resumed.encoder)
    assert whole.history == resumed.history
    reversal = fit(make_defense("ddid", **PARTS, self_meta=self_meta), tmp_path / "reversal")
    assert not same_weights(whole.encoder, reversal.encoder)


def test_the_discriminator_learns_once_before_the_encoder_and_leaves_no_statistics(
    tmp_path: Path,
) -> None:
    turns = []

    class Watched(DDID):
        name = "watched-turns"

        def _teach_discriminator(self, step: TrainingStep, adversarial: Tensor) -> None:
            assert isinstance(step, Step)
            module = step.modules["discriminator"]
            before = {k: v.clone() for k, v in step.model.state_dict().items()}
            weight = next(module.parameters()).clone()
            super()._teach_discriminator(step, adversarial)
            assert not torch.equal(weight, next(module.parameters()))
            after = step.model.state_dict()
            assert all(torch.equal(before[key], after[key]) for key in before)
            turns.append(next(module.parameters()).clone())

        def _discrimination(self, step: TrainingStep, clean: Any, attacked: Any) -> Any:
            module = step.modules["discriminator"]
            assert torch.equal(turns[-1], next(module.parameters()))
            return super()._discrimination(step, clean, attacked)

    trained = fit(Watched(DDID.parse_config(ALTERNATING)), tmp_path, training=ONE_EPOCH)
    assert len(turns) == trained.images // 8


@pytest.mark.parametrize("second_order", [False, True])
def test_the_meta_test_half_is_attacked_at_the_adapted_weights(
    second_order: bool, tmp_path: Path
) -> None:
    checked = []

    class Watched(DDID):
        name = "watched-adapted"

        def _adversarial(
            self, step: TrainingStep, images: Tensor | None = None
        ) -> AdversarialBatch:
            assert isinstance(step, Step)
            now = {name: p.detach().clone() for name, p in step.model.named_parameters()}
            if images is None:
                self.theta, self.crafted = now, super()._adversarial(step)
                return self.crafted
            rows, _ = split_identities(step.labels, derive_seed(step.seed, "halves"))
            output = step.forward(
                torch.cat([step.images[rows], self.crafted.images[rows]]),
                {**self.theta_parameters(step), **self.buffers},
            )
            count = len(rows)
            targets = self.crafted.targets
            assert targets is not None
            loss = step.output_loss(output.rows(slice(None, count)), step.labels[rows])
            other = output.rows(slice(count, None))
            loss = 0.5 * (loss + step.output_loss(other, step.labels[rows], targets[rows]))
            gradient = torch.autograd.grad(loss, list(self.leaves.values()))
            for name, slope in zip(self.leaves, gradient, strict=True):
                expected = self.theta[name] - step.learning_rate * slope
                torch.testing.assert_close(now[name], expected, rtol=1e-4, atol=1e-7)
            anew = super()._adversarial(step, images)
            assert not torch.equal(anew.images, self.crafted.images)
            checked.append(count)
            return anew

        def theta_parameters(self, step: Step) -> dict[str, Tensor]:
            trained = {n for n, p in step.model.named_parameters() if p.requires_grad}
            self.leaves = {n: v.clone().requires_grad_(True) for n, v in self.theta.items()}
            self.leaves = {n: v for n, v in self.leaves.items() if n in trained}
            return {**self.theta, **self.leaves}

        def training_step(self, step: TrainingStep) -> Tensor:
            self.buffers = {n: b.clone() for n, b in step.model.named_buffers()}
            before = {n: p.detach().clone() for n, p in step.model.named_parameters()}
            storage = {n: p.data_ptr() for n, p in step.model.named_parameters()}
            loss = super().training_step(step)
            for name, p in step.model.named_parameters():
                assert torch.equal(p, before[name])
                assert p.data_ptr() == storage[name]
            return loss

    options = {**PARTS, "discriminator": False, "meta_adversarial": "adapted"}
    config = DDID.parse_config({**options, "second_order": second_order})
    adapted = fit(Watched(config), tmp_path / "adapted", training=ONE_EPOCH)
    assert checked == [4, 4, 4, 4]
    plain = make_defense("ddid", **{**options, "second_order": second_order})
    again = fit(plain, tmp_path / "again", training=ONE_EPOCH)
    assert same_weights(adapted.encoder, again.encoder)
    options["meta_adversarial"] = "theta"
    theta = make_defense("ddid", **{**options, "second_order": second_order})
    other = fit(theta, tmp_path / "theta", training=ONE_EPOCH)
    assert not same_weights(adapted.encoder, other.encoder)


def test_other_parameters_for_a_while_leave_a_graph_as_it_was() -> None:
    encoder, images = tiny_encoder(), torch.rand(3, 3, 16, 8)
    parameters = dict(encoder.named_parameters())

    def gradients(swap: bool) -> tuple[Tensor, ...]:
        loss = encoder(images).square().sum()
        if swap:
            with torch.no_grad():
                before = encoder(images)
                with parameters_at(encoder, {n: p + 1 for n, p in parameters.items()}):
                    assert not torch.equal(encoder(images), before)
                assert torch.equal(encoder(images), before)
        trained = [p for p in parameters.values() if p.requires_grad]
        return torch.autograd.grad(loss, trained)

    for ours, theirs in zip(gradients(True), gradients(False), strict=True):
        assert torch.equal(ours, theirs)


def test_parameters_come_back_after_an_error() -> None:
    encoder = tiny_encoder()
    before = {name: p.detach().clone() for name, p in encoder.named_parameters()}
    with (
        pytest.raises(ZeroDivisionError),
        parameters_at(encoder, {n: v + 1 for n, v in before.items()}),
    ):
        raise ZeroDivisionError
    assert all(torch.equal(before[name], p) for name, p in encoder.named_parameters())
