"""The canary: strengths, bars, and attacks that are weaker than them."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from attacks.trained_first import TrainingBatch
from attacks.uap import UAP
from benchmark.checks import canary
from benchmark.checks.canary import (
    CONTROL,
    CONTROL_MARGIN_MAP,
    MARGIN_MAP,
    Stage,
    bar_for,
    map_under,
    open_stage,
    ready_attack,
    try_on_canary,
)
from benchmark.checks.canary_strengths import TRAININGS as MEASURED
from benchmark.checks.stored_canary import (
    CARD_FILE,
    FOLDER,
    read_images,
    read_strengths,
)
from benchmark.core.attack import Attack, AttackTask
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.fingerprint import sha256_file
from benchmark.core.plugin import PluginConfig
from benchmark.core.registry import ATTACKS
from benchmark.core.seeding import uniform_noise
from benchmark.core.threat import Knowledge, ThreatModel
from benchmark.evaluation.evaluator import BATCH
from tests.tiny_scene import CPU

STRENGTHS, TRAININGS = read_strengths()["attacks"], read_strengths()["trainings"]
CHEAP = (
    *("random-noise", "metric-fgsm", "metric-ifgsm", "metric-mifgsm", "metric-pgd", "sma", "fna"),
    *("odfa", "apgd-snn", "apgd-fna", "apgd-sma", "uap"),
)

ON_A_THIRD = {"square": 2.75, "bandits": 32.55, "hsja": 9.67}
"""mAP of one query of each identity under black boxes, which ask too often for all of them."""


def on_canary(plugin: type[Attack], folder: Path, **options: object) -> dict[str, Any]:
    config = plugin.parse_config(options)
    return try_on_canary(plugin, config, policy=CPU, work_dir=folder)


def attack_named(name: str) -> type[Attack]:
    return cast(type[Attack], ATTACKS.get(name))


def bar_of(plugin: type[Attack], **options: object) -> tuple[float, str]:
    return bar_for(plugin, plugin.parse_config(options), 80.0)


@functools.cache
def stage() -> Stage:
    """Return the canary; it is not to be changed."""
    return open_stage(CPU)


@pytest.fixture(autouse=True)
def _opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "open_stage", lambda policy: stage())


def test_strengths_were_measured_on_this_canary() -> None:
    strengths = read_strengths()
    assert strengths["card_sha256"] == sha256_file(FOLDER / CARD_FILE)
    assert strengths["clean_map"] == pytest.approx(stage().target.clean_map, abs=1)
    assert strengths["clean_map"] > 70
    weakest = STRENGTHS[CONTROL] - CONTROL_MARGIN_MAP
    assert all(reached <= weakest for name, reached in STRENGTHS.items() if name != CONTROL)


@pytest.mark.parametrize("name", CHEAP)
def test_stored_strengths_are_reached(name: str, tmp_path: Path) -> None:
    figures = on_canary(attack_named(name), tmp_path)
    assert figures["passed"], figures["reason"]
    assert figures["bar"] == STRENGTHS[name] + MARGIN_MAP
    strongest = min((one["map"] for one in TRAININGS.get(name, ())), default=STRENGTHS[name])
    assert strongest - MARGIN_MAP < figures["map"] < STRENGTHS[name] + MARGIN_MAP
    json.dumps(figures)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*STRENGTHS} - {*CHEAP, *ON_A_THIRD, "mis-ranking"}))
def test_stored_strengths_of_costly_attacks_are_reached(name: str, tmp_path: Path) -> None:
    figures = on_canary(attack_named(name), tmp_path)
    assert figures["passed"], figures["reason"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_A_THIRD)
def test_black_boxes_reach_on_a_third_of_the_queries_what_they_did(
    name: str, tmp_path: Path
) -> None:
    plugin = attack_named(name)
    third = stage().subset(np.arange(0, len(stage().target.query), 3))
    attack = ready_attack(plugin, plugin.parse_config({}), canary.EPS_255, third, tmp_path)
    assert map_under(attack, third) < ON_A_THIRD[name] + MARGIN_MAP * 3**0.5


@pytest.mark.slow
def test_mis_ranking_is_more_than_half_way_after_a_third_of_its_epochs(tmp_path: Path) -> None:
    plugin = attack_named("mis-ranking")
    assert plugin.parse_config({}).model_dump()["epochs"] == 10
    figures = on_canary(plugin, tmp_path, epochs=3)
    assert figures["map"] < (figures["clean_map"] + STRENGTHS["mis-ranking"]) / 2


def test_every_built_in_attack_has_a_strength() -> None:
    built_in = {n for n in ATTACKS.names() if attack_named(n).__module__.startswith("attacks.")}
    assert built_in == set(STRENGTHS)
    assert {n for n in built_in if attack_named(n).needs_preparation} == set(TRAININGS)


@pytest.mark.parametrize("name", sorted(TRAININGS))
def test_the_strength_of_a_trained_attack_is_that_of_its_weakest_training(name: str) -> None:
    measured = [one["map"] for one in TRAININGS[name]]
    assert [(one["seed"], one["onednn"]) for one in TRAININGS[name]] == list(MEASURED)
    assert STRENGTHS[name] == max(measured) > min(measured)
    bar, why = bar_of(attack_named(name))
    assert bar == max(measured) + MARGIN_MAP
    assert f"weakest of {len(measured)} stored trainings" in why


@pytest.mark.parametrize("elsewhere", [35.01, 37.38, 40.4])
def test_trainings_of_mis_ranking_on_other_processors_pass(elsewhere: float) -> None:
    assert elsewhere <= bar_of(attack_named("mis-ranking"))[0]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("metric-ifgsm", {"steps": 3}),
        ("metric-pgd", {"alpha_255": 0.05}),
        ("sma", {"steps": 4}),
        ("fna", {"steps": 2}),
        ("metric-fgsm", {"alpha_255": 1}),
        *((name, {"epochs": 1, "epoch_steps": 1}) for name in ("uap", "muap", "mis-ranking")),
    ],
)
def test_options_that_weaken_an_attack_fail(
    name: str, options: dict[str, object], tmp_path: Path
) -> None:
    figures = on_canary(attack_named(name), tmp_path, **options)
    assert not figures["passed"]
    assert figures["map"] > figures["bar"]
    assert "is above" in figures["reason"]


class UphillUAP(UAP):
    """A universal perturbation that is trained in the wrong direction."""

    name = "uap"

    def loss(self, images: Tensor, embeddings: Tensor, training_batch: TrainingBatch) -> Tensor:
        return -super().loss(images, embeddings, training_batch)


def test_a_training_with_the_wrong_sign_fails(tmp_path: Path) -> None:
    figures = on_canary(UphillUAP, tmp_path)
    assert not figures["passed"], figures["reason"]


def test_a_reason_tells_the_two_sides_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canary, "map_under", lambda *of: 9.9999)
    monkeypatch.setattr(canary, "bar_for", lambda *of: (9.9987, "why"))
    figures = on_canary(attack_named("sma"), tmp_path)
    assert "mAP 10.000 under sma at 8/255 is above 9.999 (why)" in figures["reason"]


class Stranger(Attack):
    """One step of sign noise, or an ascent from the clean embedding."""

    name = "stranger"

    class Config(PluginConfig):
        ascends: bool = True
        knowledge: Knowledge = "white"
        queries: int = 1

    config: Config

    @classmethod
    def threat_with(cls, config: PluginConfig) -> ThreatModel:
        assert isinstance(config, Stranger.Config)
        return ThreatModel(knowledge=config.knowledge)

    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        noise = self.radius * uniform_noise(batch.seeds, tuple(batch.images.shape[1:])).sign()
        images = self.project(batch.images + noise, batch.images)
        if not self.config.ascends:
            return images
        for _ in range(12):
            leaf = images.requires_grad_(True)
            distance = 1 - torch.cosine_similarity(encoder(leaf), batch.clean)
            (gradient,) = torch.autograd.grad(distance.sum(), leaf)
            images = self.project(images.detach() + self.radius / 4 * gradient.sign(), batch.images)
        return images


@pytest.mark.parametrize("knowledge", ["white", "transfer"])
def test_a_strangers_attack_must_be_stronger_than_noise(knowledge: str, tmp_path: Path) -> None:
    strong = on_canary(Stranger, tmp_path, knowledge=knowledge)
    weak = on_canary(Stranger, tmp_path, knowledge=knowledge, ascends=False)
    assert strong["passed"], strong["reason"]
    assert not weak["passed"], weak["reason"]
    assert strong["bar"] == weak["bar"]


def test_a_black_box_of_a_stranger_that_only_guesses_fails(tmp_path: Path) -> None:
    figures = on_canary(Stranger, tmp_path, knowledge="score", ascends=False)
    assert not figures["passed"]
    assert "under random noise" in figures["reason"]


def test_bars() -> None:
    for name in STRENGTHS:
        assert bar_of(attack_named(name))[0] == STRENGTHS[name] + MARGIN_MAP
    assert bar_of(Stranger)[0] == 40.0
    below_noise = STRENGTHS[CONTROL] - CONTROL_MARGIN_MAP
    for knowledge in ("transfer", "score", "decision"):
        assert bar_of(Stranger, knowledge=knowledge)[0] == below_noise
    assert bar_of(Stranger, knowledge="none")[0] > 80
    for name in TRAININGS:
        assert bar_of(attack_named(name), on="surrogate")[0] == below_noise


class Recorder(Stranger):
    """Notes what it is prepared on."""

    needs_preparation: ClassVar[bool] = True
    seen: ClassVar[list[AttackTask]] = []

    def prepare(self, task: AttackTask) -> dict[str, Tensor]:
        self.seen.append(task)
        self.kept = True
        return {"delta": torch.ones(1)}


@pytest.mark.parametrize("knowledge", ["white", "transfer"])
def test_a_preparation_sees_training_images_and_what_its_knowledge_grants(
    knowledge: str, tmp_path: Path
) -> None:
    whole = stage()
    config = Recorder.parse_config({"knowledge": knowledge})
    attack = ready_attack(Recorder, config, 8.0, whole, tmp_path)
    task = Recorder.seen.pop()
    assert torch.equal(attack.prepared["delta"], torch.ones(1))
    assert not hasattr(attack, "kept")  # as in a run, where preparing is another cell
    assert len(task.train) + len(task.held_out) == len(whole.train)
    assert len(task.held_out.identities) >= 2
    assert not set(task.train.identities) & set(task.held_out.identities)
    assert task.work_dir == tmp_path
    images = whole.target.query.tensor(slice(0, 2))
    target, surrogate = whole.target.encoder(images), whole.surrogate.encoder(images)
    expected = target if knowledge == "white" else nn.functional.normalize(surrogate)
    assert torch.allclose(task.encoder(images), expected)


def test_a_batch_size_for_the_canary_takes_all_queries_at_once() -> None:
    assert len(read_images("query")) <= BATCH
