"""The contract suites: good plugins pass, and each breach is found by the check that is for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from benchmark.checks.attack_contract import check_attack
from benchmark.checks.contract import CheckResult, affordable
from benchmark.checks.defense_contract import check_defense
from benchmark.core.attack import Attack
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.defense import Adaptive, Defense, FitTask, TrainingStep
from benchmark.core.errors import PluginError, UsageError
from benchmark.core.plugin import Card, PluginConfig
from benchmark.core.seeding import uniform_noise
from benchmark.core.threat import Knowledge, ThreatModel
from tests.tiny_scene import CPU
from tests.tiny_stage import tiny_stage


def failed(results: list[CheckResult]) -> dict[str, str]:
    return {result.name: result.detail for result in results if not result.passed}


def warned(results: list[CheckResult]) -> set[str]:
    return {result.name for result in results if result.warns}


class Away(Attack):
    """Away from the clean embedding, from a random start."""

    name = "away"
    card: ClassVar[Card] = Card(title="Away")

    class Config(PluginConfig):
        steps: int = 4

    config: Config

    def start(self, batch: AttackBatch) -> Tensor:
        noise = uniform_noise(batch.seeds, tuple(batch.images.shape[1:]))
        return self.project(batch.images + self.radius * noise, batch.images)

    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        images = self.start(batch)
        for _ in range(self.config.steps):
            leaf = images.detach().requires_grad_(True)
            distance = (encoder(leaf) - batch.clean).square().sum(1)
            (gradient,) = torch.autograd.grad(distance.sum(), leaf)
            images = self.project(leaf.detach() + self.radius / 2 * gradient.sign(), batch.images)
        return images


class IgnoresTheBall(Away):
    def project_nothing(self, images: Tensor) -> Tensor:
        return (images + 2 * self.radius + 0.01).clamp(0, 1)

    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        return self.project_nothing(batch.images)


class IgnoresTheBox(Away):
    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        return batch.images + self.radius


class DoesNothing(Away):
    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        return batch.images


class NeverIdle(Away):
    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        return super().perturb(encoder, batch) * (1 - 1e-7)


class WritesItsInput(Away):
    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        images = super().perturb(encoder, batch)
        batch.clean.mul_(0.5)
        return images


class MovesStatistics(Away):
    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        encoder.train()
        encoder(batch.images)
        encoder.eval()
        return super().perturb(encoder, batch)


class DrawsGlobally(Away):
    def start(self, batch: AttackBatch) -> Tensor:
        noise = 2 * torch.rand_like(batch.images) - 1
        return self.project(batch.images + self.radius * noise, batch.images)


class DeniesItsSeeds(Away):
    @classmethod
    def is_random(cls, config: PluginConfig) -> bool:
        return False


class LooksAround(Away):
    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        away = (batch.images - batch.images.mean(0, keepdim=True)).sign()
        return self.project(batch.images + self.radius * away, batch.images)


class WeakerWithMore(Away):
    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        if self.eps_255 < 8:
            return super().perturb(encoder, batch)
        return (batch.images - 1e-5).clamp(0, 1)


class AvoidsTheMeter(Away):
    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        return super().perturb(encoder.encoder, batch)  # type: ignore[arg-type]


class Curious(Away):
    threat: ClassVar[ThreatModel] = ThreatModel(knowledge="none")


class Raises(Away):
    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        raise KeyError("lost")


class TakesAnything(Away):
    class Config(Away.Config):
        model_config = {"extra": "allow"}


class WrongBudget(Away):
    @classmethod
    def inner_options(cls, steps: int, alpha_255: float) -> dict[str, object]:
        return {"iterations": steps}


@pytest.mark.parametrize(
    ("plugin", "check", "seen"),
    [
        (IgnoresTheBall, "legal", "left the ball"),
        (IgnoresTheBox, "legal", "left the pixel box"),
        (DoesNothing, "legal", "returns the clean images at 0.5/255"),
        (NeverIdle, "no budget", "eps 0 changes"),
        (WritesItsInput, "leaves no trace", "changes the batch in place"),
        (MovesStatistics, "leaves no trace", "weights or statistics"),
        (DrawsGlobally, "repeatable", "never from the global state"),
        (DeniesItsSeeds, "seeds", "other seeds give another result"),
        (LooksAround, "independent of the batch", "depend on the rest of the batch"),
        (AvoidsTheMeter, "metered", "0 counted"),
        (Curious, "metered", "claims to know nothing"),
        (Raises, "legal", r"raised KeyError: 'lost' (test_contracts.py, line"),
        (TakesAnything, "options", "unknown options are not refused"),
        (WrongBudget, "inner options", "unknown key 'iterations'"),
    ],
)
def test_a_breach_of_an_attack_is_found(
    plugin: type[Attack], check: str, seen: str, tmp_path: Path
) -> None:
    found = failed(check_attack(plugin, policy=CPU, work_dir=tmp_path, stage=tiny_stage()))
    assert check in found
    told = [detail for detail in found.values() if seen in detail]
    assert len(told) == 1, "in full at the first check that it stops, and only there"


def test_an_attack_that_weakens_with_more_budget_is_found(tmp_path: Path) -> None:
    found = failed(check_attack(WeakerWithMore, policy=CPU, work_dir=tmp_path))
    assert "more budget is weaker" in found["more budget"]
    assert "is above" in found["canary"]


def test_a_good_attack_passes_on_the_canary_too(tmp_path: Path) -> None:
    results = check_attack(Away, {"steps": 10}, policy=CPU, work_dir=tmp_path)
    assert not failed(results)
    assert not warned(results)
    assert [result.name for result in results][-1] == "canary"


def test_an_attack_without_a_card_passes_with_a_warning(tmp_path: Path) -> None:
    class Nameless(Away):
        card: ClassVar[Card] = Card()

    results = check_attack(Nameless, policy=CPU, work_dir=tmp_path, stage=tiny_stage())
    assert not failed(results)
    assert warned(results) == {"card"}


class Guesser(Away):
    """Asks, and keeps the better guess."""

    class Config(PluginConfig):
        queries: int = 500
        asks: int = 1
        knowledge: Knowledge = "score"

    config: Config  # type: ignore[assignment]

    @classmethod
    def threat_with(cls, config: PluginConfig) -> ThreatModel:
        assert isinstance(config, Guesser.Config)
        return ThreatModel(knowledge=config.knowledge)

    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        if self.radius == 0:
            return batch.images
        best, rows = self.start(batch), torch.arange(len(batch.images))
        extra = (3,) if self.config.knowledge == "decision" else ()
        for _ in range(self.config.queries * self.config.asks):
            encoder(best, rows, *extra)
        return best


@pytest.mark.parametrize("knowledge", ["score", "decision"])
def test_black_boxes_are_checked_within_their_budget(knowledge: str, tmp_path: Path) -> None:
    options = {"knowledge": knowledge}
    results = check_attack(Guesser, options, policy=CPU, work_dir=tmp_path, stage=tiny_stage())
    assert not failed(results)
    (metered,) = (result.detail for result in results if result.name == "metered")
    assert "240 answers" in metered, "60 answers for each of 4 images"


def test_a_black_box_that_asks_too_often_is_found(tmp_path: Path) -> None:
    results = check_attack(Guesser, {"asks": 2}, policy=CPU, work_dir=tmp_path, stage=tiny_stage())
    found = failed(results)
    assert "its budget is 60" in found["legal"]
    assert found["metered"] == "stopped by the same fault as 'legal'"


def test_a_class_of_another_kind_is_told(tmp_path: Path) -> None:
    for suite, plugin in ((check_attack, Defense), (check_defense, Attack)):
        (only,) = suite(plugin, policy=CPU, work_dir=tmp_path)  # type: ignore[operator]
        assert not only.passed
        assert "does not derive" in only.detail


def test_wrong_options_are_an_error_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown key 'stps'"):
        check_attack(Away, {"stps": 1}, policy=CPU, work_dir=tmp_path)


class Inner(PluginConfig):
    steps: int = 700
    rate: float = 0.1


class Nested(Away):
    class Config(PluginConfig):  # type: ignore[assignment]
        steps: int | None = None
        inner: Inner = Inner()
        epochs: int = 1


def test_affordable_options_are_smaller_at_any_depth_and_otherwise_the_same() -> None:
    small: Any = affordable(Nested, {"inner": {"rate": 0.5}}, {"steps": 2, "epochs": 3})
    assert small == Nested.Config(inner=Inner(steps=2, rate=0.5))


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
        (BreaksInTraining, "training", "ValueError: of no use (test_contracts.py, line"),
        (LeavesInTraining, "training", "SystemExit: 2 (test_contracts.py, line"),
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
