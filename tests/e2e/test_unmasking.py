"""Three deliberately broken defenses: flags and adaptive attacks unmask each, and nothing else.

Each hides the gradient of the canary's encoder, which is undefended. A sound encoder, the same one
or one that was trained adversarially, raises no flag.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from benchmark.checks.canary import Stage, open_stage
from benchmark.checks.evidence import AttackEvidence, Evidence
from benchmark.checks.figures import ProbeFigures
from benchmark.checks.flags import raise_flags
from benchmark.checks.probe import probe_encoder
from benchmark.core.adaptive import adaptive_view
from benchmark.core.defense import Defense
from benchmark.core.seeding import seed_everything
from benchmark.core.threat import EOT_SAMPLES
from benchmark.evaluation.evaluator import Evaluator, attack_named
from benchmark.evaluation.rankings import AttackedRanking
from defenses.broken.masked import MaskedDefense
from defenses.broken.quantised import Quantised
from defenses.broken.random import Random
from defenses.broken.saturated import Saturated
from tests.tiny_scene import CPU, make_defense

pytestmark = pytest.mark.slow

EPS_255 = 8.0
ATTACK = "metric-pgd"
NEAR_NONE_MAP = 8.0
"""What an adaptive attack may leave more than the same attack leaves without a defense."""
LOOKS_ROBUST = 0.55
"""Share of the clean mAP that the plain attack leaves, at least."""

TEACHING_STEPS, TEACHING_BATCH = 80, 32

FEW, MORE = 8, 16
"""Queries: of what is broken, and of what is robust a little and must not be taken for broken."""

BROKEN: dict[str, type[MaskedDefense]] = {
    "quantised": Quantised,
    "random": Random,
    "saturated": Saturated,
}


@dataclass(frozen=True)
class Seen:
    """What a run sees of an encoder."""

    clean_map: float
    map: float
    figures: ProbeFigures
    evidence: Evidence

    @property
    def flags(self) -> set[str]:
        return {finding.id for finding in raise_flags(self.evidence)}


@cache
def stage(queries: int = FEW) -> Stage:
    """Return the canary with some of its queries, to be quick: one of an identity at most."""
    whole = open_stage(CPU)
    return whole.subset(np.arange(0, len(whole.target.query), len(whole.target.query) // queries))


def look(encoder: nn.Module, defense: Defense, queries: int = FEW) -> Seen:
    """Probe an encoder and attack it, as a run does that knows what the defense declares."""
    seed_everything(0)
    target, owner = stage(queries).target, "unmasking"
    view = adaptive_view(encoder, defense, EOT_SAMPLES)
    evaluator = Evaluator.of(
        encoder, target.query, target.gallery, policy=CPU, owner=owner, adaptive=view
    )
    probe = ProbeFigures.model_validate(probe_encoder(evaluator, seed=0))
    attacked = evaluator.attacked(attack_named(ATTACK, EPS_255, {}, owner), 0)
    evidence = Evidence(
        defense=defense.adaptive,
        has_surrogate=probe.has_surrogate,
        eot_samples=EOT_SAMPLES,
        clean_map=evaluator.clean_map,
        queries=int(evaluator.clean.ranking.summary()["queries"]),
        probe=probe,
        attacks=[evidence_of(attacked)],
    )
    return Seen(evidence.clean_map, evidence.attacks[0].map, probe, evidence)


def evidence_of(attacked: AttackedRanking) -> AttackEvidence:
    return AttackEvidence(
        key=f"{ATTACK}@{EPS_255:g}",
        name=ATTACK,
        eps_255=EPS_255,
        norm="linf",
        knowledge="white",
        is_single_step=False,
        objective="matches",
        map=attacked.ranking.summary()["map"],
        map_float=attacked.ranking_float.summary()["map"],
        map_jpeg=attacked.ranking_jpeg.summary()["map"],
        trace=attacked.trace,
    )


@cache
def behind(name: str, declared: bool) -> Seen:
    """Look at the canary's encoder behind a mask, declared or not."""
    defense = BROKEN[name](BROKEN[name].parse_config({"declared": declared}))
    return look(defense.masked(stage().target.encoder).eval(), defense)


@cache
def undefended(queries: int = FEW) -> Seen:
    return look(stage(queries).target.encoder, make_defense("none"), queries)


def test_an_undefended_encoder_raises_no_flag() -> None:
    seen = undefended()
    assert seen.flags == set()
    assert seen.map < 0.1 * seen.clean_map


def test_an_adversarially_trained_encoder_raises_no_flag() -> None:
    seen = look(hardened(), make_defense("none"), MORE)
    assert seen.flags == set()
    assert seen.map > 3 * undefended(MORE).map, "else it is no other case than the undefended one"


def hardened() -> nn.Module:
    """Return the canary's encoder, taught to embed attacked images as it did the clean ones."""
    seed_everything(0)
    images = stage().train.tensor(slice(None))
    with torch.no_grad():
        goal = F.normalize(stage().target.encoder(images))
    encoder = copy.deepcopy(stage().target.encoder)
    optimiser = torch.optim.Adam(encoder.parameters(), 1e-3)
    for _ in range(TEACHING_STEPS):
        rows = torch.randperm(len(images))[:TEACHING_BATCH]
        attacked = images[rows] + EPS_255 / 255 * (2 * torch.rand_like(images[rows]) - 1)
        for _ in range(2):
            leaf = attacked.detach().requires_grad_(True)
            lost = (F.normalize(encoder(leaf)) - goal[rows]).square().sum()
            (gradient,) = torch.autograd.grad(lost, leaf)
            stepped = leaf.detach() + 4 / 255 * gradient.sign() - images[rows]
            attacked = images[rows] + stepped.clamp(-EPS_255 / 255, EPS_255 / 255)
        seen = F.normalize(encoder(torch.cat([images[rows], attacked])))
        loss = (seen - goal[rows].repeat(2, 1)).square().sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return encoder.eval()


@pytest.mark.parametrize("name", BROKEN)
def test_the_plain_attack_looks_defeated_and_flags_say_why(name: str) -> None:
    seen, none = behind(name, False), undefended()
    assert seen.clean_map > none.clean_map - 10
    assert seen.map > LOOKS_ROBUST * seen.clean_map, "else there is nothing to unmask"
    assert EXPECTED[name] <= seen.flags


@pytest.mark.parametrize("name", BROKEN)
def test_the_adaptive_attack_shows_that_there_is_no_robustness(name: str) -> None:
    seen, none = behind(name, True), undefended()
    assert seen.map < none.map + NEAR_NONE_MAP
    assert seen.flags == set()


EXPECTED = {
    "quantised": {"zero-gradients", "unbounded-attack-fails", "loss-not-increasing"},
    "random": {"random-output", "not-attacked-adaptively"},
    "saturated": {"zero-gradients", "unbounded-attack-fails"},
}
