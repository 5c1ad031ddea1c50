"""DDID in training: its switches, its bookkeeping, and metric-at with all of them off."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from benchmark.core.defense import TrainingStep
from benchmark.core.seeding import derive_seed
from benchmark.training.step import Step
from defenses.ddid import defense as ddid_module
from defenses.ddid.defense import DDID
from defenses.ddid.self_meta import split_identities
from tests.tiny_scene import ONE_EPOCH, fit, make_defense, same_weights
from tests.unit.defenses.stub_balance import stub_balance

PARTS = ("balancing", "fnes", "discriminator", "self_meta")
OFF: dict[str, object] = dict.fromkeys(PARTS, False)


def test_with_all_parts_off_it_is_metric_at(tmp_path: Path) -> None:
    ours = fit(make_defense("ddid", **OFF), tmp_path / "ddid")
    theirs = fit(make_defense("metric-at"), tmp_path / "metric-at")
    assert same_weights(ours.encoder, theirs.encoder)
    assert ours.history == theirs.history


@pytest.mark.parametrize("name", ["ddid", "free-ddid"])
@pytest.mark.parametrize("switches", list(itertools.product([False, True], repeat=4)))
def test_every_combination_of_parts_trains(
    name: str, switches: tuple[bool, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ddid_module, "balance", stub_balance)
    chosen = dict(zip(PARTS, switches, strict=True))
    defense = make_defense(name, discriminator_hidden=8, **chosen)
    assert defense.prerequisites() == (("none",) if chosen["balancing"] else ())
    trained = fit(defense, tmp_path, training=ONE_EPOCH)
    assert trained.images == 32 * trained.epochs  # with synthetic images, too
    assert trained.epochs == {"ddid": 1, "free-ddid": 3}[name]  # three images pass in a ddid step
    assert trained.report == ({"balancing": {"accepted": 4}} if chosen["balancing"] else {})
    assert all(bool(torch.isfinite(value).all()) for value in trained.encoder.state_dict().values())


def test_second_order_trains_and_differs(tmp_path: Path) -> None:
    options: dict[str, object] = {"balancing": False, "discriminator_hidden": 8}
    first = fit(make_defense("ddid", **options), tmp_path / "1", training=ONE_EPOCH)
    second = fit(
        make_defense("ddid", second_order=True, **options), tmp_path / "2", training=ONE_EPOCH
    )
    assert not same_weights(first.encoder, second.encoder)


def test_self_meta_counts_a_batch_once(tmp_path: Path) -> None:
    """Batch statistics come from the meta-train half, once; the inner step leaves none behind."""
    checked = []

    class Watched(DDID):
        name = "watched"

        def _adversarial(self, step: TrainingStep) -> tuple[Tensor, Tensor | None]:
            self.crafted = super()._adversarial(step)
            return self.crafted

        def training_step(self, step: TrainingStep) -> Tensor:
            assert isinstance(step, Step)
            before = {k: v.clone() for k, v in step.model.state_dict().items()}
            loss = super().training_step(step)
            after = step.model.state_dict()
            counters = [k for k in after if k.endswith("num_batches_tracked")]
            assert counters
            assert all(int(after[k]) == int(before[k]) + 1 for k in counters)
            parameters = dict(step.model.named_parameters())
            assert all(torch.equal(before[k], value) for k, value in parameters.items())
            rows, _ = split_identities(step.labels, derive_seed(step.seed, "halves"))
            expected = {k: v.clone() for k, v in before.items()}
            both = torch.cat([step.images[rows], self.crafted[0][rows]])
            functional_call(step.model, expected, (both,))
            for key in (k for k in after if "running" in k):
                torch.testing.assert_close(after[key], expected[key])
            checked.append(len(rows))
            return loss

    defense = Watched(DDID.parse_config({"balancing": False, "discriminator": False}))
    fit(defense, tmp_path, training=ONE_EPOCH)
    assert checked == [4, 4, 4, 4]


def test_fnes_softens_toward_the_identity_that_the_attack_pulls_to(tmp_path: Path) -> None:
    class Watched(DDID):
        name = "watched-fnes"

        def training_step(self, step: TrainingStep) -> Tensor:
            images, targets = self._adversarial(step)
            assert targets is not None
            torch.testing.assert_close(targets.sum(1), torch.ones(len(targets)))
            own = targets.gather(1, step.labels[:, None])
            second = targets.scatter(1, step.labels[:, None], -1).argmax(1)
            guides = step.guides(step.images)
            _, far = guides.farthest_negative(guides.vectors(unit=True), step.pids, unit=True)
            assert torch.equal(second, step.class_of(far))
            assert bool((own.squeeze(1) > 0.7).all())
            assert float((images - step.images).abs().max()) > 8 / 255  # extended past the ball
            assert float((images - step.images).abs().max()) <= 16 / 255 + 1e-6
            return super().training_step(step)

    fit(Watched(DDID.parse_config({"balancing": False})), tmp_path, training=ONE_EPOCH)


def test_the_discriminator_is_trained_and_dropped(tmp_path: Path) -> None:
    before: dict[str, Tensor] = {}

    class Watched(DDID):
        name = "watched-discriminator"

        def training_step(self, step: TrainingStep) -> Tensor:
            state = step.modules["discriminator"].state_dict()
            weight = state["out.parametrizations.weight.original"].clone()
            if before:
                assert not torch.equal(before["weight"], weight)
            before["weight"] = weight
            return super().training_step(step)

    options = {**OFF, "discriminator": True, "discriminator_hidden": 8}
    trained = fit(Watched(DDID.parse_config(options)), tmp_path, training=ONE_EPOCH)
    assert not any("discriminator" in key for key in trained.encoder.state_dict())
