"""The contract suite of attacks holds a black box to its budget of answers."""

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
from benchmark.core.threat import Knowledge, ThreatModel
from tests.tiny_scene import CPU
from tests.tiny_stage import tiny_stage
from tests.unit.checks.check_results import failed


class Guesser(Attack):
    """Asks, and keeps its guess."""

    name = "guesser"
    card: ClassVar[Card] = Card(title="Guesser")

    class Config(PluginConfig):
        queries: int = 500
        asks: int = 1
        knowledge: Knowledge = "score"

    config: Config

    @classmethod
    def threat_with(cls, config: PluginConfig) -> ThreatModel:
        assert isinstance(config, Guesser.Config)
        return ThreatModel(knowledge=config.knowledge)

    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        if self.radius == 0:
            return batch.images
        noise = uniform_noise(batch.seeds, tuple(batch.images.shape[1:]))
        best = self.project(batch.images + self.radius * noise, batch.images)
        rows = torch.arange(len(batch.images))
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
