"""What holds of every attack, whatever the images, the budget and the seeds."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from benchmark.core.attack_batch import AttackBatch
from benchmark.core.errors import UsageError
from benchmark.core.iterated_attack import IteratedAttack, IteratedConfig, kurakin_steps
from benchmark.core.legal_images import round_to_8_bits
from benchmark.core.registry import ATTACKS
from tests.tiny_scene import image_set, make_attack, scene, tiny_encoder

ITERATED = ("fna", "metric-ifgsm", "metric-mifgsm", "metric-pgd", "odfa", "sma")
ALL = (*ITERATED, "metric-fgsm", "random-noise")
names = st.sampled_from(ALL)
few = settings(max_examples=12, deadline=None)


@functools.cache
def small_encoder() -> nn.Module:
    return tiny_encoder()


@functools.cache
def double_encoder() -> nn.Module:
    return tiny_encoder().double()


def short(name: str, eps_255: float, **options: object) -> IteratedAttack:
    steps = {} if name in ("random-noise", "metric-fgsm") else {"steps": 3}
    return make_attack(name, eps_255, **{**steps, **options})  # type: ignore[return-value]


def small_scene(rows: list[int] | None = None, seed: int = 0, double: bool = False) -> AttackBatch:
    encoder = double_encoder() if double else small_encoder()
    return scene(encoder, image_set(size=(16, 8)), rows, seed)


@few
@given(names, st.floats(0, 255), st.integers(0, 2**32))
def test_images_stay_in_the_ball_around_the_clean_image_and_in_the_box(
    name: str, eps_255: float, seed: int
) -> None:
    batch = small_scene([0, 5, 10], seed)
    options = {"best_iterate": False} if name in ITERATED else {}
    images = short(name, eps_255, **options).run(small_encoder(), batch).images
    assert float((images - batch.images).abs().max()) <= eps_255 / 255 + 1e-6
    assert float(images.min()) >= 0
    assert float(images.max()) <= 1


@pytest.mark.parametrize("name", ALL)
def test_without_a_budget_nothing_changes(name: str) -> None:
    batch = small_scene()
    outcome = make_attack(name, 0.0).run(small_encoder(), batch)
    assert torch.equal(outcome.images, batch.images)


@few
@given(names, st.permutations(range(8)), st.integers(1, 7))
def test_batch_size_and_order_do_not_matter(name: str, order: list[int], cut: int) -> None:
    attack = short(name, 8.0)
    encoder = double_encoder()
    whole = attack.run(encoder, small_scene(list(range(8)), double=True)).images
    for rows in (order[:cut], order[cut:]):
        part = attack.run(encoder, small_scene(rows, double=True)).images
        equal = ((part - whole[rows]).abs() < 1e-9).double().mean()
        assert float(equal) > 0.999


@pytest.mark.parametrize("name", ["random-noise", "metric-pgd", "sma"])
def test_the_seed_sets_the_random_start(name: str) -> None:
    attack, encoder = short(name, 8.0), small_encoder()
    first, again, other = (
        attack.run(encoder, small_scene([0, 5], seed)).images for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("name", ITERATED)
def test_best_iterate_is_no_worse_than_the_last_and_more_steps_never_hurt(name: str) -> None:
    encoder, batch = small_encoder(), small_scene(list(range(8)))

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


@pytest.mark.parametrize("name", ALL)
def test_the_attack_raises_its_objective_more_than_noise(name: str) -> None:
    if name == "random-noise":
        return
    encoder, batch = small_encoder(), small_scene()
    attack = make_attack(name, 8.0)
    assert isinstance(attack, IteratedAttack)
    noisy = make_attack("random-noise", 8.0).run(encoder, batch).images
    images = attack.run(encoder, batch).images
    with torch.no_grad():
        state = attack.begin(batch)
        on_noise, on_attack = (
            attack.objective(attack.vectors(encoder(x)), state).mean() for x in (noisy, images)
        )
    assert float(on_attack) > float(on_noise)


@settings(max_examples=200, deadline=None)
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
        *((name, {"nonsense": 1}) for name in ALL),
    ],
)
def test_senseless_options_are_refused(name: str, options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(reversed(options)) + "|without a random start"):
        make_attack(name, 8.0, **options)


def test_odfa_on_unit_embeddings_works_with_a_start() -> None:
    outcome = make_attack("odfa", 8.0, unit=True, start=0.1, steps=2).run(
        small_encoder(), small_scene()
    )
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


def test_inner_options_are_valid_options() -> None:
    for name in ALL:
        plugin = ATTACKS.get(name)
        config = plugin.parse_config(plugin.inner_options(3, 2.0))  # type: ignore[attr-defined]
        if isinstance(config, IteratedConfig) and name != "metric-fgsm":
            assert (config.steps, config.alpha_255, config.best_iterate) == (3, 2.0, False)


def test_first_steps_of_momentum_agree_with_the_plain_attack() -> None:
    batch = small_scene()
    one = {"steps": 1, "best_iterate": False}
    plain, moved = (
        make_attack(name, 8.0, **one).run(small_encoder(), batch).images
        for name in ("metric-ifgsm", "metric-mifgsm")
    )
    assert np.array_equal(plain.numpy(), moved.numpy())
