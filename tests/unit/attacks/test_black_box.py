"""Square, Bandits and HSJA beside loops over single images, and on toys that are solved by hand."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import attacks.bandits as bandits
from attacks.black_box import BlackBoxAttack
from attacks.hsja import HSJA
from attacks.square import rectangle
from benchmark.core.attack import Attack, AttackBatch
from benchmark.core.errors import UsageError
from benchmark.core.guides import Guides
from benchmark.core.registry import ATTACKS
from benchmark.core.seeding import uniform_noise
from benchmark.core.threat import Intent
from tests.tiny_scene import image_set, make_attack, scene, tiny_encoder

EPS = 8 / 255
NAMES = ("square", "bandits", "hsja")
OPTIONS: dict[str, dict[str, object]] = {"square": {}, "bandits": {}, "hsja": {"k": 2}}
few = settings(max_examples=8, deadline=None)


@functools.cache
def tiny() -> tuple[nn.Module, AttackBatch]:
    encoder = tiny_encoder().double()
    return encoder, scene(encoder, image_set(size=(16, 8)), [0, 6, 15])


def embed(encoder: nn.Module, image: np.ndarray) -> np.ndarray:
    """Return the unit embedding of one (3, H, W) image."""
    with torch.no_grad():
        vector: np.ndarray = encoder(torch.from_numpy(image)[None])[0].numpy()
    return vector / np.linalg.norm(vector)


def unit_rows(vectors: Tensor) -> np.ndarray:
    rows: np.ndarray = vectors.numpy()
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def matches_of(batch: AttackBatch, i: int) -> np.ndarray:
    guides = batch.gallery_guides
    return (guides.pids.numpy() == int(batch.pids[i])) & (
        guides.camids.numpy() != int(batch.camids[i])
    )


class Spy(nn.Module):
    """Keeps every image that an encoder is asked about, and how many it was asked about at once."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.asked: list[np.ndarray] = []
        self.together: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.asked.extend(images.numpy().copy())
        self.together.extend([len(images)] * len(images))
        answers: Tensor = self.encoder(images)
        return answers


# What the three share.


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


# Square.


@pytest.mark.parametrize(
    ("step", "sides"),
    [
        (0, (229, 114)),
        (10, (229, 114)),
        (11, (162, 81)),
        (50, (162, 81)),
        (51, (114, 57)),
        (201, (81, 40)),
        (501, (57, 29)),
        (1001, (40, 20)),
        (2001, (29, 14)),
        (4001, (20, 10)),
        (6001, (14, 7)),
        (8001, (10, 5)),
        (9999, (10, 5)),
    ],
)
def test_rectangles_shrink_by_the_published_schedule(step: int, sides: tuple[int, int]) -> None:
    """0.8 of the area, halved after each of nine steps; sides by hand from its square root."""
    assert rectangle(step, 10000, 0.8, (256, 128)) == sides
    assert rectangle(step // 10, 1000, 0.8, (256, 128)) == rectangle(
        step // 10 * 10, 10000, 0.8, (256, 128)
    )


def square_loss(batch: AttackBatch, i: int, objective: str) -> Callable[[np.ndarray], float]:
    guides, matching = unit_rows(batch.gallery_guides.embeddings), matches_of(batch, i)
    if objective == "matches":
        return lambda e: batch.direction * float(np.mean([g @ e for g in guides[matching]]))
    others = batch.gallery_guides.pids.numpy() != int(batch.pids[i])
    return lambda e: (
        batch.direction
        * float(max(g @ e for g in guides[matching]) - max(g @ e for g in guides[others]))
    )


def square_by_hand(
    encoder: nn.Module, batch: AttackBatch, i: int, queries: int, objective: str
) -> tuple[list[np.ndarray], list[float]]:
    """Return the best image and the lowest loss after each answer."""
    clean = batch.images[i].numpy()
    _, height, width = clean.shape
    noise = uniform_noise([batch.seeds[i]], (3 * width + 5 * (queries - 1),))[0].double().numpy()
    loss = square_loss(batch, i, objective)

    def moved(signs: np.ndarray) -> np.ndarray:
        return np.clip(np.clip(clean + EPS * signs, clean - EPS, clean + EPS), 0, 1)

    best, lowest = clean, loss(unit_rows(batch.clean)[i])
    images, losses = [], []
    for answer in range(queries):
        if answer == 0:
            stripes = np.where(noise[: 3 * width] < 0, -1.0, 1.0).reshape(3, 1, width)
            tried = moved(np.broadcast_to(stripes, clean.shape))
        else:
            first = 3 * width + 5 * (answer - 1)
            place, signs = noise[first : first + 2], np.sign(noise[first + 2 : first + 5])
            h, w = rectangle(answer - 1, queries, 0.8, (height, width))
            top = int((place[0] + 1) / 2 * (height - h + 1))
            left = int((place[1] + 1) / 2 * (width - w + 1))
            inside = (slice(None), slice(top, top + h), slice(left, left + w))
            for sign in (1, -1):
                tried = best.copy()
                whole = moved(np.broadcast_to(sign * signs[:, None, None], clean.shape))
                tried[inside] = whole[inside]
                if not np.array_equal(tried, best):
                    break
        value = loss(embed(encoder, tried))
        if value < lowest:
            best, lowest = tried, value
        images.append(best)
        losses.append(lowest)
    return images, losses


@pytest.mark.parametrize("direction", [1.0, -1.0])
@pytest.mark.parametrize("objective", ["matches", "margin"])
def test_square_equals_a_loop_by_hand(objective: str, direction: float) -> None:
    encoder, plain = tiny()
    batch = replace(plain, direction=direction)
    outcome = make_attack("square", 8.0, queries=60, objective=objective).run(encoder, batch)
    by_hand = [square_by_hand(encoder, batch, i, 60, objective) for i in range(3)]
    for i, (images, _) in enumerate(by_hand):
        np.testing.assert_allclose(outcome.images[i].numpy(), images[-1], atol=1e-9)
        assert len({image.tobytes() for image in images}) > 5
        for mark in (10, 20, 50, 60):
            np.testing.assert_allclose(
                outcome.snapshots[mark][i].numpy(), images[mark - 1], atol=1e-9
            )
    expected = np.mean([losses for _, losses in by_hand], axis=0)
    np.testing.assert_allclose(outcome.trace, expected, atol=1e-9)


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_square_ranks_a_target_down_and_up(direction: float) -> None:
    encoder, plain = tiny()
    batch = replace(
        plain,
        pids=torch.tensor([3, 4, 1]),
        camids=torch.full_like(plain.camids, -1),
        direction=direction,
    )
    images = make_attack("square", 8.0, queries=60).run(encoder, batch).images
    for i in range(3):
        targets = unit_rows(batch.gallery_guides.embeddings)[matches_of(batch, i)]
        assert len(targets) == 4
        before, after = (
            float((targets @ embed(encoder, x[i].numpy())).mean()) for x in (batch.images, images)
        )
        assert direction * (after - before) < 0


# Bandits.


class Linear(nn.Module):
    """The cosine to (1, 0) is linear in the image: 0.5 + gradient . (image - 0.5)."""

    def __init__(self, gradient: Tensor) -> None:
        super().__init__()
        self.gradient = nn.Buffer(gradient)

    def forward(self, images: Tensor) -> Tensor:
        cosine = 0.5 + torch.einsum("nchw,chw->n", images - 0.5, self.gradient)
        return torch.stack([cosine, (1 - cosine.square()).sqrt()], 1)


def blocks(seed: int) -> Tensor:
    """Return (3, 4, 2) numbers of either sign, of size 0.5 to 1.5."""
    draws = torch.rand(2, 3, 4, 2, generator=torch.Generator().manual_seed(seed)).double()
    return (0.5 + draws[0]) * (draws[1] - 0.5).sign()


def enlarged(coarse: Tensor) -> Tensor:
    return coarse.repeat_interleave(4, 1).repeat_interleave(4, 2)


def linear_toy(count: int = 3) -> tuple[Linear, AttackBatch, Tensor]:
    """Return a linear encoder, grey images and the (3, 4, 2) gradient over squares of 4 pixels."""
    coarse = blocks(0)
    encoder = Linear(0.003 * enlarged(coarse))
    return encoder, toy_batch(count, torch.tensor([1.0, 0.0]).double()), 0.003 * coarse


def toy_batch(count: int, clean: Tensor) -> AttackBatch:
    """Return grey images of one identity, with a match at (1, 0) and another image at (0, 1)."""
    guides = Guides(torch.eye(2).double(), torch.tensor([1, 2]), torch.tensor([2, 2]))
    ones = torch.ones(count, dtype=torch.long)
    return AttackBatch(
        images=torch.full((count, 3, 16, 8), 0.5).double(),
        pids=ones,
        camids=ones,
        seeds=list(range(100, 100 + count)),
        query_guides=guides,
        gallery_guides=guides,
        query_rows=0 * ones,
        gallery_rows=0 * ones - 1,
        clean=clean.expand(count, -1),
    )


@few
@given(st.floats(-0.999, 0.999), st.floats(-0.05, 0.05), st.floats(0.1, 100))
def test_the_prior_follows_the_published_update(prior: float, gradient: float, rate: float) -> None:
    real = (prior + 1) / 2
    up, down = real * np.exp(rate * gradient), (1 - real) * np.exp(-rate * gradient)
    pair = torch.tensor([[prior], [gradient]], dtype=torch.float64)
    found = bandits.exponentiated(pair[0], pair[1], rate)
    assert float(found) == pytest.approx(2 * up / (up + down) - 1, abs=1e-9)


@few
@given(st.floats(-1, 1), st.floats(-1e6, 1e6))
def test_the_prior_stays_between_minus_one_and_one(prior: float, gradient: float) -> None:
    found = float(bandits.exponentiated(torch.tensor([prior]), torch.tensor([gradient]), 100.0))
    assert abs(found) <= 1 + 1e-6


def test_bandits_equals_a_loop_by_hand() -> None:
    encoder, batch = tiny()
    options: dict[str, object] = {"exploration": 0.7, "probe": 0.2, "prior_rate": 50.0}
    outcome = make_attack("bandits", 8.0, queries=41, **options).run(encoder, batch)
    for i in range(3):
        clean, own = batch.images[i].numpy(), unit_rows(batch.clean)[i]
        generator = torch.Generator().manual_seed(batch.seeds[i])
        x, prior, kept = clean, np.zeros((3, 4, 2)), {}
        for step in range(20):
            u = torch.randn(3, 4, 2, generator=generator).double().numpy() / np.sqrt(24)
            cosines = []
            for sign in (1, -1):
                q = np.kron(prior + sign * 0.7 * u, np.ones((4, 4)))
                probe = np.clip(x + 0.2 * q / np.sqrt((q**2).sum()), 0, 1)
                cosines.append(float(embed(encoder, probe) @ own))
            g = (cosines[0] - cosines[1]) / (0.2 * 0.7) * u
            real = (prior + 1) / 2
            up, down = real * np.exp(50 * g), (1 - real) * np.exp(-50 * g)
            prior = 2 * up / (up + down) - 1
            x = x - 0.1 * EPS * np.sign(np.kron(prior, np.ones((4, 4))))
            x = np.clip(np.clip(x, clean - EPS, clean + EPS), 0, 1)
            kept[2 * step + 2] = x
        np.testing.assert_allclose(outcome.images[i].numpy(), x, atol=1e-9)
        for mark in (10, 20):
            np.testing.assert_allclose(outcome.snapshots[mark][i].numpy(), kept[mark], atol=1e-9)


def test_gradients_are_estimated_along_the_true_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the prior held at 0 the mean of n estimates in d dimensions has an expected cosine of
    about sqrt(n / (n + d)) with the gradient: 0.98 for 480 and 24."""
    encoder, batch, coarse = linear_toy(1)
    estimates: list[Tensor] = []

    def spy(prior: Tensor, gradient: Tensor, rate: float) -> Tensor:
        estimates.append(gradient[0])
        return prior

    monkeypatch.setattr(bandits, "exponentiated", spy)
    make_attack("bandits", 8.0, queries=960).run(encoder, batch)
    assert len(estimates) == 480
    mean = torch.stack(estimates).mean(0)
    assert float(torch.cosine_similarity(mean.flatten(), coarse.flatten(), dim=0)) > 0.93


def test_bandits_descends_a_linear_loss_nearly_to_its_least_value() -> None:
    encoder, batch, _ = linear_toy()
    outcome = make_attack("bandits", 8.0, queries=500).run(encoder, batch)
    least = 0.5 - EPS * float(encoder.gradient.abs().sum())
    with torch.no_grad():
        reached = encoder(outcome.images)[:, 0]
        on_the_way = {mark: encoder(x)[:, 0].mean() for mark, x in outcome.snapshots.items()}
    assert ((0.5 - reached) > 0.9 * (0.5 - least)).all()
    assert on_the_way[10] > on_the_way[100] > on_the_way[500]


# HSJA.


class Angle(nn.Module):
    """The match is nearer than the other image where normal . (image - 0.5) is below an offset."""

    def __init__(self, normal: Tensor, offset: float) -> None:
        super().__init__()
        self.normal, self.offset = nn.Buffer(normal), offset

    def forward(self, images: Tensor) -> Tensor:
        beyond = torch.einsum("nchw,chw->n", images - 0.5, self.normal) - self.offset
        angle = torch.pi / 4 * (1 + torch.tanh(beyond))
        return torch.stack([angle.cos(), angle.sin()], 1)


DISTANCE = 0.1
"""Of the boundary from the clean image, in the maximum norm."""


def boundary_toy(count: int = 1) -> tuple[Angle, AttackBatch]:
    """Return an encoder whose boundary is a plane at `DISTANCE` from grey images.

    The nearest point of {x : n.x = b} in the maximum norm is b / |n|_1 away, along sign(n).
    """
    normal = enlarged(blocks(3).abs() * torch.tensor([1.0, -1.0, 1.0])[:, None, None])
    encoder = Angle(normal, DISTANCE * float(normal.abs().sum()))
    return encoder, toy_batch(count, torch.tensor([1.0, 0.0]).double())


def on_toy(name: str, **options: object) -> tuple[Attack, nn.Module, AttackBatch]:
    """Return an attack on a toy on which it does not stop early."""
    if name == "hsja":
        return make_attack(name, 8.0, k=1, **options), *boundary_toy(2)
    encoder, batch, _ = linear_toy(2)
    return make_attack(name, 8.0, **options), encoder, batch


class Found(HSJA):
    """HSJA that returns what it found, before that is brought to the budget, after every answer."""

    def schedule(self) -> list[int]:
        return list(range(1, self.config.queries + 1))

    def _at_budget(self, found: Tensor, clean: Tensor) -> Tensor:
        return found


def found_by(queries: int, encoder: nn.Module, batch: AttackBatch, k: int = 1) -> Tensor:
    return Found(Found.parse_config({"queries": queries, "k": k}), 255.0).run(encoder, batch).images


def distances(images: Tensor) -> Tensor:
    return (images - 0.5).abs().flatten(1).amax(1)


def test_hsja_finds_the_distance_of_the_boundary() -> None:
    """Within a tenth after 2000 answers, and never on the wrong side."""
    encoder, batch = boundary_toy(3)
    found = found_by(2000, encoder, batch)
    assert (distances(found) >= DISTANCE * (1 - 1e-6)).all()
    assert (distances(found) <= DISTANCE * 1.1).all()
    beyond = ((found - 0.5) * encoder.normal).sum((1, 2, 3))
    assert (beyond >= encoder.offset * (1 - 1e-6)).all()
    bolder = found_by(300, encoder, batch)
    assert (distances(found) < distances(bolder)).all()


@pytest.mark.parametrize(("share", "crosses"), [(0.99, False), (1.15, True)])
def test_hsja_crosses_where_the_budget_reaches_the_boundary(share: float, crosses: bool) -> None:
    encoder, batch = boundary_toy(2)
    attack = make_attack("hsja", 255 * share * DISTANCE, k=1, queries=1500)
    images = attack.run(encoder, batch).images
    with torch.no_grad():
        listed = encoder(images).argmax(1)
    assert listed.tolist() == [int(crosses)] * 2
    assert float((images - 0.5).abs().min()) == pytest.approx(share * DISTANCE)


def test_hsja_keeps_the_nearest_success_among_the_answers_so_far() -> None:
    encoder, batch = boundary_toy()
    spy = Spy(encoder)
    attack = Found(Found.parse_config({"queries": 400, "k": 1}), 255.0)
    outcome = attack.run(spy, batch)
    asked = np.stack(spy.asked)
    beyond = ((asked - 0.5) * encoder.normal.numpy()).sum((1, 2, 3)) > encoder.offset
    far = np.abs(asked - 0.5).max((1, 2, 3))
    probes = np.array(spy.together) > 1
    assert probes.sum() >= 200
    assert 0.1 < beyond[probes].mean() < 0.9
    kept = []
    for mark, image in sorted(outcome.snapshots.items()):
        seen = beyond[:mark] & ~probes[:mark]
        expected = asked[:mark][seen][far[:mark][seen].argmin()] if seen.any() else asked[0]
        np.testing.assert_array_equal(image[0].numpy(), expected)
        kept.append(float(distances(image)))
    reached = [distance for distance in kept if distance > 0]
    assert len(reached) >= 4
    assert reached == sorted(reached, reverse=True)


@pytest.mark.parametrize("k", [1, 3])
def test_success_is_a_list_without_a_true_match(k: int) -> None:
    encoder, batch = tiny()
    found = found_by(60, encoder, batch, k)
    guides = batch.gallery_guides
    gallery = unit_rows(guides.embeddings)
    succeeded = 0
    for i in range(3):
        matching = matches_of(batch, i)
        ranked = matching | (guides.pids.numpy() != int(batch.pids[i]))

        def succeeds(image: Tensor, matching=matching, ranked=ranked) -> bool:
            cosines = np.where(ranked, gallery @ embed(encoder, image.numpy()), -np.inf)
            return not matching[np.argsort(-cosines)[:k]].any()

        moved = not torch.equal(found[i], batch.images[i])
        assert succeeds(found[i]) == (moved or succeeds(batch.images[i]))
        succeeded += moved
    assert succeeded


def test_an_image_that_succeeds_as_it_is_costs_one_answer() -> None:
    encoder, batch = boundary_toy(2)
    encoder.offset = -1.0
    outcome = make_attack("hsja", 8.0, k=1, queries=100).run(encoder, batch)
    assert outcome.queries == 2
    assert torch.equal(outcome.images, batch.images)


def test_it_gives_up_where_no_start_succeeds() -> None:
    encoder, batch = boundary_toy(2)
    encoder.offset = 1e9
    outcome = make_attack("hsja", 8.0, k=1, queries=100, starts=5).run(encoder, batch)
    assert outcome.queries == 2 * (1 + 5)
    assert torch.equal(outcome.images, batch.images)
    assert all(torch.equal(images, batch.images) for images in outcome.snapshots.values())


def test_starts_become_a_single_colour() -> None:
    """A plane that fine noise cannot cross: its mean over the image is too near to grey."""
    encoder, batch = boundary_toy(4)
    encoder.normal = torch.ones(3, 16, 8).double()
    encoder.offset = 0.2 * 3 * 16 * 8
    options = {"queries": 300, "k": 1, "starts": 200}
    found = Found(Found.parse_config(options), 255.0).run(encoder, batch).images
    assert (distances(found) >= 0.2 * (1 - 1e-6)).all()
