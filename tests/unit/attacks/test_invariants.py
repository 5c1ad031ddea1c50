"""What holds of every iterated attack; rounding, budgets and options."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.core.errors import UsageError
from benchmark.core.iterated_attack import IteratedAttack, kurakin_steps
from benchmark.core.legal_images import round_to_8_bits
from benchmark.core.registry import ATTACKS
from tests.tiny_scene import make_attack, tiny

ITERATED = ("fna", "metric-ifgsm", "metric-mifgsm", "metric-pgd", "odfa", "sma")
ALL = (*ITERATED, "metric-fgsm", "random-noise")


@pytest.mark.parametrize("name", [*ITERATED, "color-lut"])
def test_best_iterate_is_no_worse_than_the_last_and_more_steps_never_hurt(name: str) -> None:
    encoder, batch = tiny(rows=tuple(range(8)))

    def value(**options: object) -> torch.Tensor:
        attack = make_attack(name, 8.0, alpha_255=6.0, **options)  # so large that it overshoots
        assert isinstance(attack, IteratedAttack)
        images = attack.run(encoder, batch).images
        with torch.no_grad():
            return attack.objective(attack.vectors(encoder(images)), attack.begin(batch))

    before = value(steps=2)
    assert bool((before >= value(steps=2, best_iterate=False) - 1e-5).all())
    for steps in (4, 8):
        now = value(steps=steps)
        assert bool((now >= before - 1e-5).all())
        before = now


@settings(max_examples=200)
@given(
    st.floats(0, 16, allow_subnormal=False),
    st.lists(st.tuples(st.integers(0, 255), st.floats(-1, 1)), min_size=1, max_size=20),
)
def test_rounding_takes_the_nearest_8_bit_value_within_the_budget(
    eps_255: float, pixels: list[tuple[int, float]]
) -> None:
    levels = torch.tensor([level for level, _ in pixels])
    clean = levels.float().div(255)
    shares = torch.tensor([share for _, share in pixels], dtype=torch.float32)
    adversarial = (clean + shares * eps_255 / 255).clamp(0, 1)
    rounded = round_to_8_bits(adversarial, clean, eps_255)
    grid = rounded * 255
    assert float((grid - grid.round()).abs().max()) < 1e-4
    steps = (grid.round() - levels).abs()
    assert float(steps.max()) <= eps_255 + 1e-4
    for value, wanted, level in zip(grid, adversarial * 255, levels.tolist(), strict=True):
        allowed = [g for g in range(256) if abs(g - level) <= int(eps_255 + 1e-4)]
        nearest = min(abs(g - float(wanted)) for g in allowed)
        assert abs(float(value) - float(wanted)) == pytest.approx(nearest, abs=1e-3)


@pytest.mark.parametrize(("eps_255", "largest"), [(0.5, 0), (2.5, 2), (8.0, 8)])
def test_a_fractional_budget_is_rounded_down(eps_255: float, largest: int) -> None:
    clean = torch.full((1, 3, 4, 4), 100 / 255)
    adversarial = clean + eps_255 / 255
    rounded = round_to_8_bits(adversarial, clean, eps_255)
    assert torch.equal((rounded * 255).round(), torch.full_like(clean, 100.0 + largest))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("sma", {"start": 0}),
        ("odfa", {"unit": True}),
        ("odfa", {"unit": True, "start": 0}),
        *((name, {"steps": 0}) for name in (*ITERATED, "metric-fgsm")),
        *((name, {"start": 1.5}) for name in (*ITERATED, "metric-fgsm")),
        *((name, {"momentum": -1}) for name in ITERATED),
        *((name, {"alpha_255": 0}) for name in ITERATED),
    ],
)
def test_senseless_options_are_refused(name: str, options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(reversed(options)) + "|without a random start"):
        make_attack(name, 8.0, **options)


def test_odfa_on_unit_embeddings_works_with_a_start() -> None:
    outcome = make_attack("odfa", 8.0, unit=True, start=0.1, steps=2).run(*tiny())
    assert outcome.trace[-1] > outcome.trace[0]


@pytest.mark.parametrize("eps_255", [-1.0, 255.1, float("nan"), float("inf")])
def test_an_impossible_budget_is_refused(eps_255: float) -> None:
    with pytest.raises(UsageError, match="not between 0 and 255"):
        make_attack("metric-pgd", eps_255)


@pytest.mark.parametrize(
    ("eps_255", "steps"), [(0.1, 1), (2, 2), (5, 6), (8, 10), (10, 12), (16, 20), (20, 24)]
)
def test_kurakin_rule(eps_255: float, steps: int) -> None:
    assert kurakin_steps(eps_255) == steps


def test_default_step_of_the_iterated_attacks_is_one_grid_value_at_8() -> None:
    for name, alpha_255 in {"fna": 1, "metric-pgd": 2, "metric-fgsm": 8}.items():
        attack = make_attack(name, 8.0)
        assert isinstance(attack, IteratedAttack)
        assert attack.step_size() * 255 == pytest.approx(alpha_255)


@pytest.mark.parametrize("name", ITERATED)
def test_inner_options_are_the_budget_and_the_last_iterate(name: str) -> None:
    plugin = ATTACKS.get(name)
    config: Any = plugin.parse_config(plugin.inner_options(3, 2.0))  # type: ignore[attr-defined]
    assert (config.steps, config.alpha_255, config.best_iterate) == (3, 2.0, False)


def test_first_steps_of_momentum_agree_with_the_plain_attack() -> None:
    one = {"steps": 1, "best_iterate": False}
    plain, moved = (
        make_attack(name, 8.0, **one).run(*tiny()).images
        for name in ("metric-ifgsm", "metric-mifgsm")
    )
    assert np.array_equal(plain.numpy(), moved.numpy())
