"""The contract suite of attacks: a good one passes, and each breach is found by its check."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from benchmark.checks.attack_contract import check_attack
from benchmark.core.attack import Attack
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.plugin import Card, PluginConfig
from benchmark.core.seeding import uniform_noise
from benchmark.core.threat import ThreatModel
from tests.tiny_scene import CPU
from tests.tiny_stage import tiny_stage
from tests.unit.checks.check_results import failed, warned


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
        (Raises, "legal", r"raised KeyError: 'lost' (test_attack_breaches.py, line"),
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
