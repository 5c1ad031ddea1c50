"""What Square, Bandits and HSJA share: budgets, seeds, counted answers, snapshots and intents."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from attacks.black_box import BlackBoxAttack
from benchmark.core.attack import Attack
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.errors import UsageError
from benchmark.core.registry import ATTACKS
from benchmark.core.threat import Intent
from tests.black_box_toys import Spy, boundary_toy, linear_toy
from tests.tiny_scene import make_attack

NAMES = ("square", "bandits", "hsja")


def on_toy(name: str, **options: object) -> tuple[Attack, nn.Module, AttackBatch]:
    """Return an attack on a toy on which it does not stop early."""
    if name == "hsja":
        return make_attack(name, 8.0, k=1, **options), *boundary_toy(2)
    encoder, batch, _ = linear_toy(2)
    return make_attack(name, 8.0, **options), encoder, batch


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
