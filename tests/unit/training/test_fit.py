"""The loop on tiny data: repeatable, resumable, selective, and strict with what defenses return."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.core.attack import Attack
from benchmark.core.defense import Defense, FitTask, Preparation, TrainingStep
from benchmark.core.errors import PluginError
from benchmark.core.plugin import PluginConfig
from benchmark.data.held_out import split_held_out
from benchmark.evaluation.evaluator import Evaluator
from benchmark.training import selection
from benchmark.training.config import AugmentConfig, InnerConfig
from benchmark.training.state import CHECKPOINT
from benchmark.training.step import Step, inner_attacks
from defenses.none import NoDefense
from tests.kills import KillAfter, Killed
from tests.tiny_scene import TRAINING, fit, image_set, make_defense, same_weights

STEPS_AN_EPOCH = 3  # 24 fitted images in batches of 8


class Stochastic(NoDefense):
    """Draws from every global generator in its step, as dropout would."""

    name = "stochastic"

    def training_step(self, step: TrainingStep) -> Tensor:
        scale = float(np.random.rand()) + float(torch.rand(()))
        return (1 + scale) * step.retrieval_loss(step.images)


def whole_ddid() -> Defense:
    return make_defense("ddid", balancing=False, discriminator_hidden=8)


@pytest.mark.parametrize(
    ("build", "steps"),
    [
        (whole_ddid, 1),  # before the first checkpoint
        (whole_ddid, STEPS_AN_EPOCH + 2),  # within an epoch
        (lambda: Stochastic(PluginConfig()), 2 * STEPS_AN_EPOCH),  # between two
    ],
)
def test_a_killed_training_ends_as_if_it_had_not_been(
    build: Any, steps: int, tmp_path: Path
) -> None:
    whole = fit(build(), tmp_path / "whole")
    with pytest.raises(Killed):
        fit(build(), tmp_path / "killed", progress=KillAfter(steps, noted=True))
    resumed = fit(build(), tmp_path / "killed")
    assert same_weights(whole.encoder, resumed.encoder)
    assert whole.history == resumed.history
    assert (whole.epochs, whole.images) == (resumed.epochs, resumed.images) == (3, 72)


def test_the_seed_and_nothing_else_sets_the_weights(tmp_path: Path) -> None:
    first = fit(make_defense("none"), tmp_path / "a")
    torch.manual_seed(77)
    again = fit(make_defense("none"), tmp_path / "b")
    other = fit(make_defense("none"), tmp_path / "c", seed=1)
    assert same_weights(first.encoder, again.encoder)
    assert not same_weights(first.encoder, other.encoder)


@pytest.mark.parametrize("keep", [0, 100, -100])
def test_a_damaged_checkpoint_restarts(
    keep: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = fit(make_defense("none"), tmp_path / "whole")
    folder = tmp_path / "killed"
    with pytest.raises(Killed):
        fit(make_defense("none"), folder, progress=KillAfter(5, noted=True))
    path = folder / CHECKPOINT
    path.write_bytes(path.read_bytes()[:keep])
    assert same_weights(whole.encoder, fit(make_defense("none"), folder).encoder)
    assert "damaged" in caplog.text


def test_what_a_training_leaves_behind(tmp_path: Path) -> None:
    trained = fit(make_defense("metric-at"), tmp_path)
    assert [row["epoch"] for row in trained.history] == [1, 2, 3]
    validated = [row["epoch"] for row in trained.history if "held_out_attacked_map" in row]
    assert validated == [2, 3]
    assert not trained.encoder.training
    assert trained.encoder_parameters == sum(p.numel() for p in trained.encoder.parameters())
    assert trained.peak_memory_bytes > 2**20
    assert trained.seconds > 0


def test_training_learns(tmp_path: Path) -> None:
    plain = AugmentConfig(flip=0, pad=0, erase=0)
    training = TRAINING.model_copy(
        update={"epochs": 12, "learning_rate": 1e-2, "augment": plain, "validate_every": 12}
    )
    history = fit(make_defense("none"), tmp_path, training=training).history
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]


class Returns(NoDefense):
    """Returns what it is told to, from the second epoch on."""

    name = "returns"

    def __init__(self, result: Any) -> None:
        super().__init__(PluginConfig())
        self.result = result

    def training_step(self, step: TrainingStep) -> Tensor:
        loss = step.retrieval_loss(step.images)
        return cast(Tensor, self.result(step, loss)) if step.fraction >= 1 / 3 else loss


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda step, loss: loss * float("nan"), "is nan in epoch 2, batch 1"),
        (lambda step, loss: loss * float("inf"), "is inf in epoch 2, batch 1"),
        (lambda step, loss: loss * 0 + (loss - loss.detach()).sqrt(), "in epoch 2, batch 1"),
        (lambda step, loss: step.forward(step.images).embeddings, r"returned shape \(8, 32\)"),
        (lambda step, loss: 1.0, "returned float"),
        (lambda step, loss: None, "returned NoneType"),
        (lambda step, loss: loss.detach(), "returned a constant without a gradient"),
        (lambda step, loss: dict[str, Tensor]()["lost"], "'returns' raised KeyError: 'lost'"),
        (lambda step, loss: step.guides(step.images[:3]), "3 images were given for a batch of 8"),
    ],
)
def test_a_broken_step_is_a_plugin_error(result: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=message) as caught:
        fit(Returns(result), tmp_path)
    assert "'returns'" in caught.value.what or "images were given" in caught.value.what


def test_a_loss_of_shape_one_is_a_number(tmp_path: Path) -> None:
    plain = fit(Returns(lambda step, loss: loss), tmp_path / "a")
    boxed = fit(Returns(lambda step, loss: loss.reshape(1)), tmp_path / "b")
    assert same_weights(plain.encoder, boxed.encoder)


class OwnFit(Defense):
    """Owns the whole of training."""

    name = "own-fit"

    def __init__(self, result: Any) -> None:
        super().__init__(PluginConfig())
        self.result = result

    def fit(self, task: FitTask) -> nn.Module:
        return cast(nn.Module, self.result(task))


def test_a_fit_of_its_own(tmp_path: Path) -> None:
    class Flat(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1)

    trained = fit(OwnFit(lambda task: Flat().train()), tmp_path)
    assert not trained.encoder.training
    assert trained.epochs == 0
    with pytest.raises(PluginError, match="returned str, not an encoder"):
        fit(OwnFit(lambda task: "weights"), tmp_path)
    with pytest.raises(PluginError, match="'own-fit' raised ZeroDivisionError"):
        fit(OwnFit(lambda task: 1 / 0), tmp_path)
    with pytest.raises(PluginError, match="the encoder of 'metric-at' is not at hand"):
        fit(OwnFit(lambda task: task.encoder_of("metric-at")), tmp_path)


def test_a_defense_without_a_step(tmp_path: Path) -> None:
    class Empty(Defense):
        name = "empty"

    with pytest.raises(PluginError, match=r"neither training_step\(\) nor fit\(\)"):
        fit(Empty(PluginConfig()), tmp_path)


def test_selection_sees_held_out_training_identities_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = image_set(identities=8, size=(16, 8))
    fitted, held_out = split_held_out(train, TRAINING.held_out)
    judged: set[int] = set()
    learned: set[int] = set()
    real = Evaluator.of

    def spy(encoder: nn.Module, query: Any, gallery: Any, **options: Any) -> Any:
        judged.update(query.pids.tolist(), gallery.pids.tolist())
        return real(encoder, query, gallery, **options)

    class Notes(NoDefense):
        name = "notes"

        def training_step(self, step: TrainingStep) -> Tensor:
            learned.update(step.pids.tolist())
            assert step.num_classes == len(fitted.identities)
            assert torch.equal(step.labels, step.class_of(step.pids))
            return super().training_step(step)

    monkeypatch.setattr(Evaluator, "of", spy)
    fit(Notes(PluginConfig()), tmp_path, train=train)
    assert judged == set(held_out.identities.tolist())
    assert learned == set(fitted.identities.tolist())


def test_the_best_checkpoint_is_returned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([9.0, 1.0])
    seen: list[dict[str, Tensor]] = []

    def score(self: object, encoder: nn.Module) -> selection.Score:
        seen.append({key: value.clone() for key, value in encoder.state_dict().items()})
        return selection.Score(next(scores), 0.0)

    monkeypatch.setattr(selection.HeldOutSelection, "score", score)
    best = fit(make_defense("none"), tmp_path).encoder.state_dict()
    assert all(torch.equal(best[key], seen[0][key]) for key in best)
    assert not torch.equal(seen[0]["trunk.0.weight"], seen[1]["trunk.0.weight"])


def test_without_held_out_identities_the_last_weights_count(tmp_path: Path) -> None:
    training = TRAINING.model_copy(update={"held_out": 0.0})
    trained = fit(make_defense("none"), tmp_path, training=training)
    assert all("held_out_map" not in row for row in trained.history)


def test_preparation_replaces_the_training_images(tmp_path: Path) -> None:
    class Half(NoDefense):
        name = "half"

        def prepare(self, task: FitTask) -> Preparation:
            half = task.train.subset(task.train.camids == 1)
            return Preparation(half, {"images": len(half)})

        def training_step(self, step: TrainingStep) -> Tensor:
            assert set(step.camids.tolist()) == {1}
            return super().training_step(step)

    trained = fit(Half(PluginConfig()), tmp_path)
    assert trained.report == {"images": 12}
    assert trained.images == 72  # as many as for every other defense


def test_guides_are_those_of_the_images_that_are_given(tmp_path: Path) -> None:
    """Temporary tensors may take each other's place in memory, and change in place."""

    class Looks(NoDefense):
        name = "looks"

        def training_step(self, step: TrainingStep) -> Tensor:
            found = [step.guides(step.images * scale).embeddings for scale in (1.0, 0.5, 0.0)]
            assert not torch.equal(found[0], found[1])
            assert not torch.equal(found[1], found[2])
            assert step.guides(step.images) is step.guides(step.images)
            assert torch.equal(step.guides(step.images).embeddings, found[0])
            step.images.zero_()
            assert torch.equal(step.guides(step.images).embeddings, found[2])
            return super().training_step(step)

    fit(Looks(PluginConfig()), tmp_path)


def test_inner_attacks_have_the_inner_budget_and_take_overrides() -> None:
    inner = InnerConfig(eps_255=4.0, alpha_255=1.5, steps=3)
    build = inner_attacks(TRAINING.model_copy(update={"inner": inner}), "owner")

    def told(attack: Attack) -> tuple[object, ...]:
        config: Any = attack.config
        return attack.eps_255, config.steps, config.alpha_255, config.best_iterate

    assert told(build("metric-pgd", {})) == (4.0, 3, 1.5, False)
    assert told(build("sma", {"eps_255": 2, "steps": 9})) == (2.0, 9, 1.5, False)
    assert told(build("metric-fgsm", {})) == (4.0, 1, None, False)
    assert build("random-noise", {}).eps_255 == 4.0


def test_crafting_leaves_the_model_in_training_mode(tmp_path: Path) -> None:
    class Crafts(NoDefense):
        name = "crafts"

        def training_step(self, step: TrainingStep) -> Tensor:
            assert isinstance(step, Step)
            before = {key: value.clone() for key, value in step.model.state_dict().items()}
            for name in ("metric-pgd", "fna", "sma", "odfa", "metric-ifgsm", "random-noise"):
                images = step.attack(name, step.images)
                assert float((images - step.images).abs().max()) <= 8 / 255 + 1e-6
            assert all(part.training for part in step.model.modules())
            after = step.model.state_dict()
            assert all(torch.equal(before[key], after[key]) for key in before)
            return super().training_step(step)

    fit(Crafts(PluginConfig()), tmp_path)
