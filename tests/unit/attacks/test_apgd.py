"""APGD on retrieval: objectives beside plain loops over the gallery, and what holds of the runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from attacks.apgd import RankedGallery
from attacks.fna import FNA
from attacks.sma import SMA
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.errors import UsageError
from benchmark.core.guides import Guides
from benchmark.core.iterated_attack import IteratedAttack
from benchmark.core.seeding import uniform_noise
from tests.tiny_scene import make_attack, tiny

NAMES = ("apgd-snn", "apgd-fna", "apgd-sma", "soft-ap")
ROWS = (0, 5, 10, 15)
every_name = pytest.mark.parametrize("name", NAMES)


def make(name: str, eps_255: float = 8.0, **options: object) -> IteratedAttack:
    attack = make_attack(name, eps_255, **options)
    assert isinstance(attack, IteratedAttack)
    return attack


def awkward_batch() -> AttackBatch:
    """Random guides with junk, distractors, an image without a match and one of the gallery."""
    rng = np.random.default_rng(2)
    pids = torch.tensor([1, 1, 1, 2, 2, 3, 0, 0, -1, -1, 4, 4])
    camids = torch.tensor([1, 2, 3, 1, 2, 1, 2, 3, 1, 2, 4, 5])
    flags = {"junk": pids < 0, "distractor": pids == 0}
    guides = Guides(torch.from_numpy(rng.normal(size=(12, 4))), pids, camids, **flags)
    # 3 has its only image on its own camera, 9 has none; the last is row 10 itself.
    own = torch.tensor([1, 2, 3, 9, 4])
    clean = torch.from_numpy(rng.normal(size=(5, 4)))
    clean[4] = guides.embeddings[10]
    return AttackBatch(
        images=torch.zeros(5, 3, 8, 4),
        pids=own,
        camids=torch.tensor([1, 2, 1, 1, 4]),
        seeds=[0] * 5,
        query_guides=guides,
        gallery_guides=guides,
        query_rows=torch.full((5,), -1),
        gallery_rows=torch.tensor([-1, -1, -1, -1, 10]),
        clean=clean,
    )


def unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.linalg.norm(vector))


def split(batch: AttackBatch, i: int, e: np.ndarray) -> tuple[list[float], list[float]]:
    """The cosines of matches and of wrong images that a ranking of image i counts."""
    guides, right, wrong = batch.gallery_guides, [], []
    for row, vector in enumerate(guides.embeddings.numpy()):
        pid, cosine = int(guides.pids[row]), float(unit(e) @ unit(vector))
        if pid == -1 or row == int(batch.gallery_rows[i]):
            continue
        if pid != int(batch.pids[i]):
            wrong.append(cosine)
        elif int(guides.camids[row]) != int(batch.camids[i]):
            right.append(cosine)
    if not right:
        right = [float(unit(e) @ unit(batch.clean[i].numpy()))]
    return right, wrong


def values_of(attack: IteratedAttack, batch: AttackBatch, vectors: np.ndarray) -> Tensor:
    unit_vectors = attack.vectors(torch.from_numpy(vectors))
    return attack.objective(unit_vectors, attack.begin(batch))


@pytest.mark.parametrize("scale", [1.0, 10.0, 50.0])
def test_the_margin_equals_loops_over_the_gallery(scale: float) -> None:
    batch, vectors = awkward_batch(), np.random.default_rng(0).normal(size=(5, 4))
    expected = []
    for i, e in enumerate(vectors):
        right, wrong = split(batch, i, e)
        away = np.log(np.sum(np.exp(scale * np.array(wrong))))
        expected.append((away - np.log(np.sum(np.exp(scale * np.array(right))))) / scale)
    found = values_of(make("apgd-snn", scale=scale), batch, vectors)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_large_scale_gives_the_margin_of_the_nearest() -> None:
    batch, vectors = awkward_batch(), np.random.default_rng(1).normal(size=(5, 4))
    found = values_of(make("apgd-snn", scale=1e4), batch, vectors)
    sides = [split(batch, i, e) for i, e in enumerate(vectors)]
    np.testing.assert_allclose(found, [max(w) - max(r) for r, w in sides], atol=1e-3)


def test_the_margin_ignores_junk_the_same_camera_and_the_image_itself() -> None:
    batch, vectors = awkward_batch(), np.random.default_rng(3).normal(size=(5, 4))
    before = values_of(make("apgd-snn"), batch, vectors)
    guides = batch.gallery_guides
    # Row 0: identity 1 on camera 1, which the first image shares; 8: junk; 10: the last image.
    for row, unmoved in ((0, [0]), (8, [0, 1, 2, 3, 4]), (10, [4])):
        moved = guides.embeddings.clone()
        moved[row] = -moved[row]
        other = replace(batch, gallery_guides=replace(guides, embeddings=moved))
        same = (values_of(make("apgd-snn"), other, vectors) - before).abs() < 1e-12
        assert same.nonzero().flatten().tolist() == unmoved


def test_a_target_does_not_make_an_image_its_own_wrong_match() -> None:
    batch = awkward_batch()
    aimed = replace(batch, pids=torch.tensor([1, 2, 3, 9, 2]), direction=-1.0)
    gallery = RankedGallery.of(aimed)
    assert not bool(gallery.valid[4, 10])
    assert bool(gallery.valid[4, 11])


def test_a_gallery_without_wrong_images_leaves_the_pull_alone() -> None:
    batch = awkward_batch()
    alone = Guides(batch.gallery_guides.embeddings[:3], torch.ones(3), torch.tensor([1, 2, 3]))
    only = replace(batch.rows(torch.tensor([0])), gallery_guides=alone)
    vectors = torch.randn(1, 4, dtype=torch.float64, requires_grad=True)
    attack = make("apgd-snn")
    value = attack.objective(attack.vectors(vectors), attack.begin(only))
    (gradient,) = torch.autograd.grad(value.sum(), vectors)
    assert bool(torch.isfinite(value).all())
    assert bool(torch.isfinite(gradient).all())


@pytest.mark.parametrize(
    ("form", "options"), [("smooth", {"temperature": 0.05}), ("bins", {"bins": 6})]
)
def test_soft_ap_equals_loops_over_the_gallery(form: str, options: dict[str, object]) -> None:
    batch, vectors = awkward_batch(), np.random.default_rng(4).normal(size=(5, 4))
    expected = []
    for i, e in enumerate(vectors):
        right, wrong = split(batch, i, e)
        if form == "smooth":

            def ahead(a: float, b: float) -> float:
                return float(1 / (1 + np.exp((b - a) / 0.05)))

            shares = []
            for n, own in enumerate(right):
                hits = 1 + sum(ahead(r, own) for m, r in enumerate(right) if m != n)
                shares.append(hits / (hits + sum(ahead(w, own) for w in wrong)))
            expected.append(1 - np.mean(shares))
        else:
            width, centres = 2 / 5, np.arange(6) * 2 / 5
            pos, everything = (
                sum(np.maximum(0, 1 - np.abs(np.sqrt(2 - 2 * c) - centres) / width) for c in chosen)
                for chosen in (right, right + wrong)
            )
            shares_so_far = np.cumsum(pos) / np.maximum(np.cumsum(everything), 1e-30)
            expected.append(-float((shares_so_far * pos).sum() / np.sum(pos)))
    found = values_of(make("soft-ap", form=form, **options), batch, vectors)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "plain", "options"),
    [
        ("apgd-fna", FNA, {}),
        ("apgd-fna", FNA, {"unit": False, "guides": "gallery"}),
        ("apgd-sma", SMA, {}),
        ("apgd-sma", SMA, {"unit": False}),
    ],
)
def test_objectives_are_those_of_the_plain_attacks(
    name: str, plain: type[IteratedAttack], options: dict[str, object]
) -> None:
    _, batch = tiny(double=True, rows=ROWS)
    ours, theirs = make(name, **options), plain(plain.parse_config(options), 8.0)
    vectors = torch.randn(4, 32, dtype=torch.float64)
    found = ours.objective(ours.vectors(vectors), ours.begin(batch))
    expected = theirs.objective(theirs.vectors(vectors), theirs.begin(batch))
    assert torch.equal(found, expected)


def reached(attack: IteratedAttack, images: Tensor) -> Tensor:
    encoder, batch = tiny(double=True, rows=ROWS)
    with torch.no_grad():
        return attack.value(encoder, images, attack.begin(batch), batch)


def sign_loop(attack: IteratedAttack, steps: int, start: float) -> Tensor:
    """The best of plain sign steps of eps / 8 on the objective of an attack; (B,)."""
    encoder, batch = tiny(double=True, rows=ROWS)
    state, clean, eps = attack.begin(batch), batch.images, attack.radius
    noise = uniform_noise(batch.seeds, tuple(clean.shape[1:])).double()
    x, best = (clean + start * eps * noise).clamp(0, 1), None
    for _ in range(steps + 1):
        x = x.detach().requires_grad_(True)
        values = attack.value(encoder, x, state, batch)
        (gradient,) = torch.autograd.grad(values.sum(), x)
        best = values.detach() if best is None else torch.maximum(best, values.detach())
        x = clean + (x + eps / 8 * gradient.sign() - clean).clamp(-eps, eps)
        x = x.detach().clamp(0, 1)
    assert best is not None
    return best


@every_name
@pytest.mark.parametrize("steps", [16, 20])
def test_it_is_as_strong_as_plain_sign_steps(name: str, steps: int) -> None:
    encoder, batch = tiny(double=True, rows=ROWS)
    attack = make(name, steps=steps)
    found = reached(attack, attack.run(encoder, batch).images)
    plain = sign_loop(attack, steps, attack.config.start)
    assert float(found.mean()) >= float(plain.mean()) - 1e-3 * float(plain.mean().abs())


@every_name
def test_more_steps_are_not_weaker(name: str) -> None:
    encoder, batch = tiny(double=True, rows=ROWS)
    values = []
    for steps in (1, 5, 40):
        attack = make(name, steps=steps)
        values.append(float(reached(attack, attack.run(encoder, batch).images).mean()))
    assert values == sorted(values)
    start = uniform_noise(batch.seeds, tuple(batch.images.shape[1:])).double()
    first = batch.images + make(name).config.start * 8 / 255 * start
    assert values[0] > float(reached(make(name), first.clamp(0, 1)).mean())


@every_name
def test_restarts_from_random_starts_are_not_weaker(name: str) -> None:
    encoder, batch = tiny(double=True, rows=ROWS)
    values = []
    for restarts in (1, 3):
        attack = make(name, steps=5, start=1.0, restarts=restarts)
        values.append(reached(attack, attack.run(encoder, batch).images))
    assert bool((values[1] >= values[0] - 1e-9).all())


@every_name
def test_the_cost_is_the_steps_and_a_forward(name: str) -> None:
    encoder, batch = tiny(rows=ROWS)
    outcome = make(name, steps=6).run(encoder, batch)
    assert (outcome.forwards, outcome.backwards) == (7 * 4, 6 * 4)
    assert len(outcome.trace) == 7
    assert outcome.trace == sorted(outcome.trace)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("apgd-sma", {"start": 0.0}),
        ("apgd-snn", {"unit": False}),
        ("apgd-snn", {"scale": 0.0}),
        ("apgd-fna", {"best_iterate": False}),
        ("soft-ap", {"temperature": 0.001}),
        ("soft-ap", {"bins": 1}),
    ],
)
def test_options_that_make_no_sense_are_refused(name: str, options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        make(name, **options)
