"""A training step on two ranks beside the same step on one, for defenses of every make."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.core.defense import TrainingStep
from benchmark.core.errors import PluginError
from benchmark.core.plugin import PluginConfig
from benchmark.core.progress import SilentProgress
from benchmark.training.loop import TrainingLoop
from benchmark.training.ranks import ONE_RANK, Ranks
from defenses.none import NoDefense
from tests.on_ranks import on_ranks
from tests.tiny_scene import BACKBONE, CPU, ONE_EPOCH, image_set, make_defense

DDID: dict[str, Any] = {"balancing": False, "discriminator_hidden": 8}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "none": ("none", {}),
    "metric-at": ("metric-at", {}),
    "metric-at, in parts": ("metric-at", {"recipe": {"accumulate": 2, "checkpointing": True}}),
    "ddid": ("ddid", DDID),
    "ddid, second order": ("ddid", {**DDID, "second_order": True}),
    "ddid, in turns": ("ddid", {**DDID, "discriminator_update": "alternating"}),
    "hardest pairs joined": ("act", {}),
    "an objective on the classifier": ("pgd-at", {}),
    "companions": ("goat", {}),
    "a budget for each image": ("dynamic-budget-at", {}),
    "a carried perturbation": ("free-at", {}),
    "one perturbation for all": ("uap-at", {}),
}
IMAGES = 2 * ONE_EPOCH.identities * ONE_EPOCH.images


def loop_of(name: str, options: dict[str, Any], ranks: Ranks, folder: Path) -> TrainingLoop:
    train = image_set(identities=8, size=(16, 8))
    options = dict(options)
    recipe = ONE_EPOCH.model_copy(update=options.pop("recipe", {}))
    return TrainingLoop(
        make_defense(name, **options),
        train=train,
        epoch_images=IMAGES,
        held_out=train.subset([]),
        backbone=BACKBONE,
        config=recipe,
        policy=CPU,
        seed=0,
        work_dir=folder,
        ranks=ranks,
    )


def trained(ranks: Ranks) -> dict[str, dict[str, Any]]:
    """Return what an epoch of two steps comes to, for each case."""
    found = {}
    for title, (name, options) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            state = loop_of(name, options, ranks, Path(folder)).run(SilentProgress()).state
            files = len(list(Path(folder).iterdir()))
        found[title] = {
            "loss": torch.tensor([row["loss"] for row in state.history]),
            "statistics": torch.cat([v for k, v in state.model.items() if "running" in k]),
            "passes": state.passes,
            "files": files,
        }
    return found


@pytest.mark.slow
def test_two_ranks_train_as_one_within_rounding() -> None:
    alone = trained(ONE_RANK)
    first, second = on_ranks(trained)
    for title, expected in alone.items():
        for found in (first[title], second[title]):
            assert found["passes"] == expected["passes"], title
            for key, most in (("loss", 2e-6), ("statistics", 1e-4)):
                torch.testing.assert_close(found[key], expected[key], rtol=most, atol=most)
        assert torch.equal(first[title]["loss"], second[title]["loss"])
        assert (first[title]["files"], second[title]["files"]) == (1, 0)  # one writes


class OwnDraws(NoDefense):
    """Scales its loss by a number that no seed fixes."""

    name = "own-draws"

    def training_step(self, step: TrainingStep) -> Tensor:
        return step.retrieval_loss(step.images) * torch.rand((), generator=unseeded())


def unseeded() -> torch.Generator:
    generator = torch.Generator()
    generator.seed()
    return generator


def came_apart(ranks: Ranks) -> str:
    with tempfile.TemporaryDirectory() as folder:
        loop = loop_of("none", {}, ranks, Path(folder))
        loop._defense = OwnDraws(PluginConfig())
        with pytest.raises(PluginError) as caught:
            loop.run(SilentProgress())
    return f"{caught.value.what}; {caught.value.hint}"


def test_ranks_that_come_apart_are_told() -> None:
    for told in on_ranks(came_apart):
        assert told == (
            "the ranks of the training of 'own-draws' came apart in epoch 1; "
            "draw random numbers from step.seed alone, or set training.ranks=1"
        )
