"""What Square, Bandits and HSJA share: budgets, seeds, counted answers, snapshots and intents."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from attacks.black_box import BlackBoxAttack
from benchmark.core.attack import Attack
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.errors import UsageError
from benchmark.core.registry import ATTACKS
from benchmark.core.threat import Intent
from tests.black_box_toys import Spy, boundary_toy, linear_toy, tiny
from tests.tiny_scene import image_set, make_attack, scene, tiny_encoder

NAMES = ("square", "bandits", "hsja")
OPTIONS: dict[str, dict[str, object]] = {"square": {}, "bandits": {}, "hsja": {"k": 2}}
few = settings(max_examples=8, deadline=None)


def on_toy(name: str, **options: object) -> tuple[Attack, nn.Module, AttackBatch]:
    """Return an attack on a toy on which it does not stop early."""
    if name == "hsja":
        return make_attack(name, 8.0, k=1, **options), *boundary_toy(2)
    encoder, batch, _ = linear_toy(2)
    return make_attack(name, 8.0, **options), encoder, batch


@pytest.mark.parametrize("name", NAMES)
def test_without_a_budget_nothing_is_asked_and_nothing_changes(name: str) -> None:
    encoder, batch = tiny()
    outcome = make_attack(name, 0.0).run(encoder, batch)
    assert torch.equal(outcome.images, batch.images)
    assert (outcome.queries, outcome.forwards) == (0, 0)


@pytest.mark.parametrize("name", NAMES)
@few
@given(
    eps_255=st.floats(0, 255),
    size=st.sampled_from([(16, 8), (9, 14), (24, 11)]),
    queries=st.integers(2, 40),
    seed=st.integers(0, 2**32),
)
def test_images_stay_in_the_ball_and_in_the_box(
    name: str, eps_255: float, size: tuple[int, int], queries: int, seed: int
) -> None:
    encoder = tiny_encoder()
    batch = scene(encoder, image_set(size=size), [0, 9], seed)
    attack = make_attack(name, eps_255, queries=queries, **OPTIONS[name])
    outcome = attack.run(encoder, batch)
    for images in (outcome.images, *outcome.snapshots.values()):
        assert float((images - batch.images).abs().max()) <= eps_255 / 255 + 1e-6
        assert 0 <= float(images.min()) <= float(images.max()) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_results_depend_on_the_seeds_alone(name: str) -> None:
    encoder, batch = tiny()
    attack = make_attack(name, 8.0, queries=120, **OPTIONS[name])
    whole = attack.run(encoder, batch)
    assert not torch.equal(whole.images, batch.images)
    torch.manual_seed(7)
    assert torch.equal(attack.run(encoder, batch).images, whole.images)
    part = attack.run(encoder, batch.rows(torch.tensor([2, 0])))
    pairs = [(part.images, whole.images)]
    pairs += [(part.snapshots[mark], whole.snapshots[mark]) for mark in whole.snapshots]
    for turned, together in pairs:
        same = (turned - together[[2, 0]]).abs() < 1e-9
        assert float(same.double().mean()) > 0.999
    other = attack.run(encoder, replace(batch, seeds=[seed + 1 for seed in batch.seeds]))
    assert not torch.equal(other.images, whole.images)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("queries", [2, 3, 10, 11, 12, 30, 31, 32, 33, 50, 137])
def test_the_answers_are_counted_and_never_exceeded(name: str, queries: int) -> None:
    attack, encoder, batch = on_toy(name, queries=queries)
    spy = Spy(encoder)
    outcome = attack.run(spy, batch)
    given = 2 * (queries // 2) if name == "bandits" else queries
    assert outcome.queries == len(spy.asked) == given * len(batch.images)
    assert outcome.backwards == 0
    assert max(outcome.snapshots) == queries
    assert torch.equal(outcome.snapshots[queries], outcome.images)


def test_a_single_answer() -> None:
    for name in ("square", "hsja"):
        attack, encoder, batch = on_toy(name, queries=1)
        assert attack.run(encoder, batch).queries == len(batch.images)
    with pytest.raises(UsageError, match="queries"):
        make_attack("bandits", queries=1)


@pytest.mark.parametrize(
    ("queries", "marks"),
    [
        (1, [1]),
        (10, [10]),
        (11, [10, 11]),
        (1000, [10, 20, 50, 100, 200, 500, 1000]),
        (1500, [10, 20, 50, 100, 200, 500, 1000, 1500]),
    ],
)
def test_images_are_kept_at_one_two_and_five_of_each_decade(queries: int, marks: list[int]) -> None:
    attack = make_attack("square", queries=queries)
    assert isinstance(attack, BlackBoxAttack)
    assert attack.schedule() == marks


@pytest.mark.parametrize(
    ("name", "intents"),
    [
        ("square", {"dodge", "impersonate", "rank-down"}),
        ("bandits", {"dodge"}),
        ("hsja", {"dodge"}),
    ],
)
def test_intents_are_those_that_it_serves(name: str, intents: set[Intent]) -> None:
    plugin = ATTACKS.get(name)
    assert issubclass(plugin, Attack)
    assert plugin.intents == intents
