"""Options of the recipe for speed and memory: what they compute, and what they leave as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from benchmark.core.defense import TrainingStep
from benchmark.core.device import DevicePolicy
from benchmark.core.errors import UsageError
from benchmark.core.plugin import PluginConfig
from benchmark.models.encoder import ReIDModel
from benchmark.training import loop
from benchmark.training.config import AugmentConfig, InnerConfig, TrainingConfig
from benchmark.training.model_calls import COMPILED, compiled
from benchmark.training.optimiser import adam, load_adam
from benchmark.training.precision import in_update_precision
from benchmark.training.recomputed import recomputed
from defenses.none import NoDefense
from tests.tiny_scene import ONE_EPOCH, TRAINING, fit, make_defense, same_weights, tiny_encoder

PLAIN = AugmentConfig(flip=0, pad=0, erase=0)


def recipe(**options: Any) -> TrainingConfig:
    return TrainingConfig.model_validate({**ONE_EPOCH.model_dump(), **options})


class Watches(NoDefense):
    """Remembers the rows and identities of its steps, and the gradient of each update."""

    name = "watches"

    def __init__(self) -> None:
        super().__init__(PluginConfig())
        self.rows: list[list[int]] = []
        self.labels: list[list[int]] = []

    def training_step(self, step: TrainingStep) -> Tensor:
        self.rows.append(step.rows.tolist())  # type: ignore[attr-defined]
        self.labels.append(step.labels.tolist())
        return super().training_step(step)


def test_a_batch_is_split_by_identities(tmp_path: Path) -> None:
    whole, parts = Watches(), Watches()
    fit(whole, tmp_path / "whole", training=recipe())
    found = fit(parts, tmp_path / "parts", training=recipe(accumulate=2))
    assert len(parts.rows) == 2 * len(whole.rows)
    for index, rows in enumerate(whole.rows):
        first, second = parts.rows[2 * index : 2 * index + 2]
        assert first + second == rows
        own, others = (set(parts.labels[2 * index + part]) for part in range(2))
        assert len(own) == len(others) == 2
        assert not own & others
    assert found.passes["outer"] == sum(map(len, whole.rows))
    assert len(found.history) == 1


def test_gradients_of_parts_are_averaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two equal halves, the mean gradient is that of one, whatever the number of parts."""
    norms: dict[str, list[float]] = {}
    real = loop.nn.utils.clip_grad_norm_

    def fit_and_note(name: str, **options: Any) -> None:
        def note(parameters: Any, most: float, **more: Any) -> Tensor:
            norm = real(parameters, most, **more)
            norms.setdefault(name, []).append(float(norm))
            return norm

        monkeypatch.setattr(loop.nn.utils, "clip_grad_norm_", note)
        monkeypatch.setattr(
            loop.PKSampler, "epoch", lambda self, seed: [np.tile(np.arange(8), repeated[name])]
        )
        fit(Watches(), tmp_path / name, training=recipe(augment=PLAIN.model_dump(), **options))

    repeated = {"half": 1, "twice": 2}
    fit_and_note("half", identities=4)
    fit_and_note("twice", identities=4, accumulate=2)
    assert norms["twice"][0] == pytest.approx(norms["half"][0], rel=1e-5)


@pytest.mark.parametrize(("identities", "parts"), [(4, 3), (4, 4), (2, 2)])
def test_parts_that_hold_no_two_identities_are_refused(identities: int, parts: int) -> None:
    with pytest.raises(ValidationError, match="into parts of two identities or more"):
        TrainingConfig(identities=identities, accumulate=parts)


@pytest.mark.parametrize(
    ("defense", "options"),
    [("metric-at", {}), ("ddid", {"second_order": True}), ("ddid", {"second_order": False})],
)
def test_checkpointing_changes_no_weight(
    defense: str, options: dict[str, Any], tmp_path: Path
) -> None:
    if defense == "ddid":
        options = {**options, "balancing": False, "discriminator_hidden": 8}
    kept = fit(make_defense(defense, **options), tmp_path / "kept", training=ONE_EPOCH)
    again = fit(
        make_defense(defense, **options),
        tmp_path / "again",
        training=recipe(checkpointing=True),
    )
    assert same_weights(kept.encoder, again.encoder)


def test_checkpointing_keeps_little() -> None:
    model = ReIDModel(tiny_encoder(), 5).train()
    images = torch.rand(4, 3, 32, 16)
    kept: list[int] = []

    def note(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    sizes = []
    for run in (model, lambda images: recomputed(model, images, {})):
        kept.clear()
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            run(images)
        sizes.append(sum(kept))
    assert sizes[1] < 0.1 * sizes[0]


def test_a_model_that_does_not_compile_is_trained_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(module: nn.Module) -> nn.Module:
        class Broken(nn.Module):
            def forward(self, images: Tensor) -> Tensor:
                module(images)  # moves the batch statistics
                raise RuntimeError("no compiler\nand more")

        return Broken()

    monkeypatch.setattr(torch, "compile", broken)
    usual = fit(make_defense("metric-at"), tmp_path / "usual", training=ONE_EPOCH)
    found = fit(make_defense("metric-at"), tmp_path / "found", training=recipe(compile=True))
    assert same_weights(usual.encoder, found.encoder)
    assert found.report["compile"] == "RuntimeError: no compiler"
    assert "torch.compile failed (RuntimeError: no compiler)" in caplog.text
    assert "compile" not in usual.report


def test_a_compiled_model_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda module: nn.Sequential(module))
    model = ReIDModel(tiny_encoder(), 5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    calls = compiled(model, torch.rand(4, 3, 16, 8), DevicePolicy(torch.device("cpu")))
    assert calls.how == COMPILED
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("defense", ["metric-at", "pgd-at", "trades", "goat"])
def test_inner_attacks_in_bfloat16(defense: str, tmp_path: Path) -> None:
    inner = InnerConfig(steps=1, precision="bfloat16").model_dump()
    found = fit(make_defense(defense), tmp_path / "a", training=recipe(inner=inner))
    usual = fit(make_defense(defense), tmp_path / "b", training=ONE_EPOCH)
    assert not same_weights(found.encoder, usual.encoder)
    assert found.history[0]["loss"] == pytest.approx(usual.history[0]["loss"], rel=0.05)


def test_inner_precision_reaches_the_encoder_and_no_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[tuple[bool, bool]] = set()
    real = nn.Conv2d.forward

    def spy(self: nn.Conv2d, x: Tensor) -> Tensor:
        attacked = x.requires_grad and not self.weight.requires_grad
        seen.add((attacked, torch.is_autocast_enabled("cpu")))
        return real(self, x)

    monkeypatch.setattr(nn.Conv2d, "forward", spy)
    inner = InnerConfig(steps=1, precision="bfloat16").model_dump()
    training = recipe(inner=inner, held_out=0.25)
    fit(make_defense("metric-at"), tmp_path, training=training)
    assert (True, True) in seen  # the inner attack
    assert (True, False) in seen  # the attack that selects a checkpoint
    assert (False, False) in seen  # the update


@pytest.mark.parametrize(
    ("precision", "dtype"), [("auto", None), ("float32", None), ("bfloat16", torch.bfloat16)]
)
def test_precision_of_the_update(precision: str, dtype: torch.dtype | None) -> None:
    config = TRAINING.model_copy(update={"precision": precision})
    policy = DevicePolicy(torch.device("cpu"))
    assert in_update_precision(policy, config).autocast_dtype == dtype
    on_gpu = in_update_precision(DevicePolicy(torch.device("cpu"), torch.bfloat16), config)
    assert on_gpu.autocast_dtype == (None if precision == "float32" else torch.bfloat16)


@pytest.mark.parametrize("name", ["precision", "inner.precision"])
def test_a_gpu_without_bfloat16_is_not_asked_for_it(name: str) -> None:
    inner = InnerConfig(precision="bfloat16") if name.startswith("inner") else InnerConfig()
    options: dict[str, Any] = {"inner": inner}
    if name == "precision":
        options["precision"] = "bfloat16"
    policy = DevicePolicy(torch.device("cuda"))
    with pytest.raises(UsageError, match=f"training.{name}=bfloat16, and this GPU") as caught:
        in_update_precision(policy, TRAINING.model_copy(update=options))
    assert caught.value.hint == f"set training.{name}=float32"
    assert in_update_precision(policy, TRAINING) == policy


@pytest.mark.parametrize("deterministic", [True, False])
def test_kernels_are_those_of_the_recipe(deterministic: bool, tmp_path: Path) -> None:
    flags = []

    class Looks(NoDefense):
        name = "looks-at-kernels"

        def training_step(self, step: TrainingStep) -> Tensor:
            flags.append((torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark))
            return super().training_step(step)

    training = recipe(deterministic=deterministic)
    fit(Looks(PluginConfig()), tmp_path, training=training)
    assert set(flags) == {(deterministic, not deterministic)}
    assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.benchmark


def test_a_checkpoint_of_another_device_is_taken_up() -> None:
    first, second = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    stored = adam([first], TRAINING, torch.device("cpu"))
    first.grad = torch.ones(3)
    stored.step()
    state = stored.state_dict()
    state["param_groups"][0] |= {"fused": True, "foreach": False}
    own = adam([second], TRAINING, torch.device("cpu"))
    load_adam(own, state)
    (group,) = own.param_groups
    assert (group["foreach"], group["fused"]) == (True, False)
    assert torch.equal(own.state[second]["exp_avg"], stored.state[first]["exp_avg"])
