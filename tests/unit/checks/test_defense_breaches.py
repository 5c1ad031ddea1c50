"""The contract suite of defenses: a good one passes, and each breach is found by its check."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from benchmark.checks.defense_contract import check_defense
from benchmark.core.defense import Adaptive, Defense, FitTask, TrainingStep
from benchmark.core.errors import PluginError
from benchmark.core.plugin import Card, PluginConfig
from tests.tiny_scene import CPU
from tests.unit.checks.check_results import failed, warned


class Plain(Defense):
    """Plain training; its encoder is wrapped by what a subclass says."""

    name = "plain"
    card: ClassVar[Card] = Card(title="Plain")
    around: ClassVar[type[nn.Module] | None] = None

    def training_step(self, step: TrainingStep) -> Tensor:
        return step.retrieval_loss(step.images)

    def fit(self, task: FitTask) -> nn.Module:
        encoder = task.train_encoder(self)
        return encoder if self.around is None else self.around(encoder)

    def build_encoder(self, factory: Any) -> nn.Module:
        return factory() if self.around is None else self.around(factory())


class Around(nn.Module):
    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Tensor) -> Tensor:
        return self.changed(self.encoder(self.seen(images)), images)  # type: ignore[no-any-return]

    def seen(self, images: Tensor) -> Tensor:
        return images

    def changed(self, embeddings: Tensor, images: Tensor) -> Tensor:
        return embeddings


class Noisy(Around):
    def seen(self, images: Tensor) -> Tensor:
        return images + 0.1 * torch.randn_like(images)


class Centred(Around):
    def changed(self, embeddings: Tensor, images: Tensor) -> Tensor:
        return embeddings - embeddings.mean(0)


class Learning(Around):
    def seen(self, images: Tensor) -> Tensor:
        self.encoder.train()
        return images


class Quantised(Around):
    def seen(self, images: Tensor) -> Tensor:
        return (images * 8).round() / 8


class Divides(Around):
    def changed(self, embeddings: Tensor, images: Tensor) -> Tensor:
        return embeddings / 0


class Precise(Around):
    def changed(self, embeddings: Tensor, images: Tensor) -> Tensor:
        return embeddings.double()


class Constant(Around):
    def changed(self, embeddings: Tensor, images: Tensor) -> Tensor:
        return 0 * embeddings + 1


class Forgetful(Around):
    def __init__(self, encoder: nn.Module) -> None:
        super().__init__(encoder)
        self.shift = torch.rand(1)

    def changed(self, embeddings: Tensor, images: Tensor) -> Tensor:
        return embeddings + self.shift


@pytest.mark.parametrize(
    ("around", "check", "seen"),
    [
        (Noisy, "deterministic", "declare adaptive = Adaptive(random=True)"),
        (Centred, "independent of the batch", "depend on the rest of the batch"),
        (Learning, "stays in eval mode", "embedding changes"),
        (Quantised, "gradient", "no gradient reaches the pixels"),
        (Divides, "embeddings", "NaN or infinite"),
        (Precise, "embeddings", "torch.float64, not float32"),
        (Constant, "embeddings", "the same embedding"),
        (Forgetful, "checkpoint", "other embeddings"),
    ],
)
def test_a_breach_of_a_defense_is_found(
    around: type[nn.Module], check: str, seen: str, tmp_path: Path
) -> None:
    plugin = type("Wrapped", (Plain,), {"around": around, "__module__": __name__})
    found = failed(check_defense(plugin, policy=CPU, work_dir=tmp_path))
    assert seen in found[check]


def test_a_good_defense_passes(tmp_path: Path) -> None:
    results = check_defense(Plain, policy=CPU, work_dir=tmp_path)
    assert not failed(results)
    assert not warned(results)


class DeclaredRandom(Plain):
    around: ClassVar[type[nn.Module] | None] = Noisy
    adaptive = Adaptive(random=True)


class DeclaredQuantised(Plain):
    around: ClassVar[type[nn.Module] | None] = Quantised
    adaptive = Adaptive(non_differentiable=True)


class WithSurrogate(DeclaredQuantised):
    def surrogate(self, encoder: nn.Module) -> nn.Module:
        return encoder.encoder  # type: ignore[return-value]


class WithNarrowSurrogate(DeclaredQuantised):
    def surrogate(self, encoder: nn.Module) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.LazyLinear(3))


class DeclaredInVain(Plain):
    adaptive = Adaptive(random=True)


@pytest.mark.parametrize(
    ("plugin", "failing", "warning"),
    [
        (DeclaredRandom, set(), set()),
        (DeclaredQuantised, set(), {"adaptive"}),
        (WithSurrogate, set(), set()),
        (WithNarrowSurrogate, {"adaptive"}, set()),
        (DeclaredInVain, set(), {"deterministic"}),
    ],
)
def test_what_a_defense_declares_is_held_against_it(
    plugin: type[Defense], failing: set[str], warning: set[str], tmp_path: Path
) -> None:
    results = check_defense(plugin, policy=CPU, work_dir=tmp_path)
    assert set(failed(results)) == failing
    assert warned(results) == warning


class Unbuildable(Plain):
    around: ClassVar[type[nn.Module] | None] = Around

    def build_encoder(self, factory: Any) -> nn.Module:
        return factory()  # type: ignore[no-any-return]


class BreaksInTraining(Plain):
    def training_step(self, step: TrainingStep) -> Tensor:
        raise ValueError("of no use")


class LeavesInTraining(Plain):
    def training_step(self, step: TrainingStep) -> Tensor:
        raise SystemExit(2)


class BreaksWhenMade(Plain):
    def __init__(self, config: PluginConfig) -> None:
        raise ValueError("no such option together")


def test_a_defense_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="raised ValueError: no such option together"):
        check_defense(BreaksWhenMade, policy=CPU, work_dir=tmp_path)


class NamesNobody(Plain):
    trained_against = ("no-such-attack",)


@pytest.mark.parametrize(
    ("plugin", "check", "seen"),
    [
        (Unbuildable, "checkpoint", "build_encoder()"),
        (BreaksInTraining, "training", "ValueError: of no use (test_defense_breaches.py, line"),
        (LeavesInTraining, "training", "SystemExit: 2 (test_defense_breaches.py, line"),
        (NamesNobody, "names", "'no-such-attack'"),
    ],
)
def test_a_breach_beside_the_encoder_is_found(
    plugin: type[Defense], check: str, seen: str, tmp_path: Path
) -> None:
    results = check_defense(plugin, policy=CPU, work_dir=tmp_path)
    assert set(failed(results)) == {check}
    assert seen in failed(results)[check]
    assert (check == "training") == (results[-1].name == "training")
