"""What every registered defense owes, built-in or a stranger's file; each is trained once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.checks.contract import CheckResult
from benchmark.checks.defense_contract import check_defense
from benchmark.core.attack import Attack
from benchmark.core.defense import Defense
from benchmark.core.registry import DEFENSES, load_plugin_file
from benchmark.training import fit as fitting
from benchmark.training import loop
from benchmark.training.config import TrainingConfig
from benchmark.training.fit import TrainedEncoder
from tests.kills import KillAfter, Killed
from tests.tiny_scene import CPU, TRAINING, fit, make_defense, same_weights, tiny_encoder
from tests.tiny_zoo import make_entry

TWO_EPOCHS = TRAINING.model_copy(update={"epochs": 2})
STEPS = TWO_EPOCHS.inner.steps

NETWORK = {"patch": 2, "widths": (8, 8), "groups": 4}
BALANCED = {
    "discriminator_hidden": 8,
    "balancing_options": {
        "delta1": 5,
        "percentile": 0,
        "attempts": 1,
        "diffusion": {
            "network": {**NETWORK, "downscale": 2},
            "steps": 2,
            "batch": 4,
            "sampler_steps": 2,
        },
    },
}
TINY_OPTIONS: dict[str, dict[str, Any]] = {
    "ddid": BALANCED,
    "free-ddid": BALANCED,
    "diffpure": {
        "diffusion": {
            "network": {**NETWORK, "patch": 1},
            "steps": 6,
            "batch": 4,
            "checkpoint_every": 2,
        }
    },
    "goat": {"guides": 1},  # fewer than there are, so that they are drawn
    "pretrained": {"factory": "tests.plugins.factories:good"},
}
"""Options that make a defense affordable on tiny data; the defaults are tested for validity."""

PLANNED_ROUGHLY = {"offline-at", "goat"}
"""Whose copies are made before the loop, and whose guides are as many as there are."""
PLAIN_TRAINING = {"none", "broken-quantised", "broken-random", "broken-saturated"}
"""Which differ by what is done to a trained encoder, if at all."""


def built(name: str) -> Defense:
    return make_defense(name, **TINY_OPTIONS.get(name, {}))


def train(name: str, folder: Path, **options: Any) -> TrainedEncoder:
    defense = built(name)
    prepared = {need: tiny_encoder() for need in defense.prerequisites()}
    return fit(defense, folder, training=TWO_EPOCHS, encoders=prepared, **options)


@dataclass(frozen=True)
class Training:
    """A training from its begin to its end.

    Attributes:
        name: Of the defense.
        end: What came of it.
        asked: Names of the attacks that it asked for.
        steps: How often it told a loss.
    """

    name: str
    end: TrainedEncoder
    asked: set[str]
    steps: int


NAMES = ["zoo:tiny" if name == "zoo" else name for name in DEFENSES.names()]
"""All, and an entry of the zoo for the class that stands for its entries."""


@pytest.fixture(scope="module", autouse=True)
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let the zoo hold an entry."""
    folder = tmp_path_factory.mktemp("zoo")
    make_entry(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_ROBUSTBENCH_ZOO", str(folder))
        yield


@pytest.fixture(scope="module", params=NAMES)
def training(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Training:
    asked: set[str] = set()

    def noting(config: TrainingConfig, owner: str, real: Any = loop.inner_attacks) -> Any:
        build: Callable[[str, Mapping[str, object]], Attack] = real(config, owner)

        def note(attack: str, options: Mapping[str, object]) -> Attack:
            asked.add(attack)
            return build(attack, options)

        return note

    steps = KillAfter(sys.maxsize, noted=True)
    with pytest.MonkeyPatch.context() as patch:
        for module in (loop, fitting):
            patch.setattr(module, "inner_attacks", noting)
        end = train(request.param, tmp_path_factory.mktemp("whole"), progress=steps)
    return Training(request.param, end, asked, steps.passed)


@pytest.fixture(scope="module")
def undefended(tmp_path_factory: pytest.TempPathFactory) -> TrainedEncoder:
    return train("none", tmp_path_factory.mktemp("undefended"))


def check(name: str, folder: Path) -> list[CheckResult]:
    return check_defense(DEFENSES.get(name), TINY_OPTIONS.get(name), policy=CPU, work_dir=folder)


@pytest.mark.parametrize("name", NAMES)
def test_it_keeps_its_contract(name: str, tmp_path: Path) -> None:
    assert make_defense(name).name == name
    results = check(name, tmp_path)
    assert len(results) >= 11
    assert not [result for result in results if not result.passed or result.warns]


def test_a_killed_training_ends_the_same(training: Training, tmp_path: Path) -> None:
    """It is killed in its last epoch, and goes on from the others."""
    is_killed = pytest.raises(Killed) if training.steps else nullcontext()
    with is_killed:
        train(training.name, tmp_path, progress=KillAfter(training.steps - 2, noted=True))
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert bool(kept) == bool(training.steps)
    torch.manual_seed(77)
    rest = KillAfter(sys.maxsize, noted=True)
    resumed = train(training.name, tmp_path, progress=rest)
    assert rest.passed < training.steps or not training.steps
    assert same_weights(resumed.encoder, training.end.encoder)
    assert resumed.history == training.end.history
    assert resumed.passes == training.end.passes


def test_another_seed_gives_another_encoder(training: Training, tmp_path: Path) -> None:
    other = train(training.name, tmp_path, seed=1)
    assert same_weights(other.encoder, training.end.encoder) == (training.steps == 0)


def test_it_trains_otherwise_than_the_undefended(
    training: Training, undefended: TrainedEncoder
) -> None:
    if training.end.epochs:
        same = training.end.history[0]["loss"] == undefended.history[0]["loss"]
        assert same == (training.name in PLAIN_TRAINING)


def test_plans_count_the_passes_that_are_made(training: Training) -> None:
    end = training.end
    if end.epochs and training.name not in PLANNED_ROUGHLY:
        made = end.passes["outer"] + end.passes["inner_backward"]
        if training.name == "free-ddid":  # counts clean images that go forward alone, too
            made += end.passes["inner_forward"] / 3
        assert built(training.name).passes(STEPS) * end.images == pytest.approx(made)


def test_records_mark_as_seen_the_attacks_that_it_asks_for(training: Training) -> None:
    assert training.asked == set(built(training.name).trained_against)


PLUGIN = '''
from benchmark import Defense, register_defense

@register_defense("my-defense")
class MyDefense(Defense):
    """One line on what it does."""

    class Config(Defense.Config):
        weight: float = 1.0

    def training_step(self, step):          # or fit(), to own the whole of training
        adv = step.attack("metric-pgd", step.images)
        return step.retrieval_loss(step.images) + self.config.weight * step.retrieval_loss(adv)
'''


@pytest.fixture
def plugin_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(DEFENSES, "_classes", dict(DEFENSES._classes))
    path = tmp_path / "contract_defense.py"
    path.write_text(PLUGIN)
    yield path
    sys.modules.pop("reid_robustbench_plugin_contract_defense", None)


def test_the_published_plugin_works(plugin_file: Path, tmp_path: Path) -> None:
    load_plugin_file(plugin_file)
    assert DEFENSES.get("my-defense").summary() == "One line on what it does."
    results = check("my-defense", tmp_path)
    assert {result.name for result in results if not result.passed or result.warns} == {"card"}
    assert make_defense("my-defense", weight=2).config.weight == 2.0  # type: ignore[attr-defined]
