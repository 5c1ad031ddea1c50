"""UAP and MUAP: losses and updates against references, kills, and what universal means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.nn import functional as F

from attacks.muap import IMAGENET_STD, scaled_up, total_variation
from attacks.trained_first import TrainedFirst, TrainingBatch, pk_batches
from attacks.universal import UniversalAttack
from benchmark.core.image_set import ImageSet
from benchmark.core.seeding import derive_seed, uniform_noise
from tests.tiny_preparation import assert_same, prepared, task
from tests.tiny_scene import guides_of, image_set, make_attack, scene, tiny_encoder

EPS = 8 / 255
SMALL = {"epochs": 2, "identities": 4, "epoch_steps": 1}

universal = pytest.mark.parametrize("name", ["uap", "muap"])


def make(name: str, eps_255: float = 8.0, **options: object) -> UniversalAttack:
    attack = make_attack(name, eps_255, **options)
    assert isinstance(attack, UniversalAttack)
    return attack


def training_batch(rows: list[int] | None = None) -> TrainingBatch:
    images = image_set(size=(16, 8))
    clean = guides_of(tiny_encoder(), images).embeddings
    chosen = torch.tensor(rows if rows is not None else list(range(len(images))))
    return TrainingBatch(
        images.tensor(chosen.numpy()), torch.from_numpy(images.pids)[chosen], clean[chosen], 0
    )


def test_total_variation_equals_the_loops() -> None:
    images = torch.rand(2, 3, 5, 4)
    scaled = images.numpy() / np.array(IMAGENET_STD)[:, None, None]
    down = [
        (scaled[b, c, y + 1, x] - scaled[b, c, y, x]) ** 2
        for b in range(2)
        for c in range(3)
        for y in range(4)
        for x in range(4)
    ]
    across = [
        (scaled[b, c, y, x + 1] - scaled[b, c, y, x]) ** 2
        for b in range(2)
        for c in range(3)
        for y in range(5)
        for x in range(3)
    ]
    expected = np.mean(down) + np.mean(across)
    assert float(total_variation(images)) == pytest.approx(expected, rel=1e-5)
    assert float(total_variation(torch.full((1, 3, 5, 4), 0.3))) == 0


def test_the_loss_of_muap_equals_the_loops() -> None:
    one, attack = training_batch(), make("muap", bins=4, tv=2.0)
    embeddings = torch.randn(16, 32)
    width = 2 / 3
    found = []
    for anchor in range(16):
        pos, everything = np.zeros(4), np.zeros(4)
        for other in range(16):
            a, b = F.normalize(embeddings[anchor], dim=0), F.normalize(one.clean[other], dim=0)
            for m in range(4):
                share = max(0.0, 1 - abs(float((a - b).norm()) - m * width) / width)
                everything[m] += share
                pos[m] += share * float(one.pids[anchor] == one.pids[other])
        precision = np.cumsum(pos) / np.maximum(np.cumsum(everything), 1e-30)
        found.append(float((precision * pos).sum() / pos.sum()))
    expected = np.mean(found) + 2 * float(total_variation(one.images))
    assert float(attack.loss(one.images, embeddings, one)) == pytest.approx(expected, rel=1e-4)


def test_the_updates_of_uap_equal_steps_by_hand() -> None:
    encoder, attack = tiny_encoder().eval(), make("uap", momentum=0.9)
    batches = [training_batch(list(range(i, 16, 2))) for i in (0, 1, 0)]
    work = task(Path(), encoder=encoder)
    learner = attack.learner(work, torch.empty(0))
    start = uniform_noise([derive_seed(0, "start")], (3, 16, 8))[0]
    delta = start.numpy() * 1e-3
    velocity = np.zeros_like(delta)
    for one in batches:
        leaf = torch.tensor(delta, requires_grad=True)
        unit = F.normalize(encoder((one.images + leaf).clamp(0, 1)))
        loss = (unit * F.normalize(one.clean)).sum(1).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        assert leaf.grad is not None
        gradient = leaf.grad.numpy()
        velocity = 0.9 * velocity + gradient / np.abs(gradient).mean()
        delta = np.clip(delta - EPS / 8 * np.sign(velocity), -EPS, EPS).astype(np.float32)
        assert learner.step(one) == pytest.approx(float(loss.detach()), abs=1e-5)
    ours = learner.result()["delta"].numpy()
    assert np.mean(np.abs(ours - delta) < 1e-6) > 0.99


def test_the_updates_of_muap_have_its_step_and_its_momentum() -> None:
    attack = make("muap")
    learner = attack.learner(task(Path()), torch.empty(0))
    start = learner.result()["delta"]
    assert float(start.abs().max()) <= 1e-6
    learner.step(training_batch())
    moved = (learner.result()["delta"] - start).abs()
    assert attack.step_size() == pytest.approx(0.004 * 8 / 10)
    torch.testing.assert_close(moved, torch.full_like(moved, attack.step_size()), rtol=1e-3, atol=0)
    first = learner.state_dict()["velocity"]
    torch.testing.assert_close(first.abs().sum((1, 2)), torch.ones(3))
    learner.step(training_batch())
    second = learner.state_dict()["velocity"] - 0.4 * first
    torch.testing.assert_close(second.abs().sum((1, 2)), torch.ones(3))
    assert make("muap", alpha_255=2.0).step_size() == pytest.approx(2 / 255)


@settings(max_examples=50)
@given(arrays(np.float32, 40, elements=st.floats(-1, 1, width=32)), st.floats(0.1, 2))
def test_scaling_up_fills_the_ball(values: np.ndarray, eps: float) -> None:
    delta = torch.from_numpy(values).clamp(-eps, eps)
    result = scaled_up(delta, eps)
    assert float(result.abs().max()) <= eps * (1 + 1e-6)
    assert torch.equal(result.sign() * delta.sign() < 0, torch.zeros(40, dtype=torch.bool))
    if float(torch.quantile(delta.abs(), 0.2)) > 1e-6:
        assert float((result.abs() >= eps * 0.999).float().mean()) >= 0.8 - 1 / 40


def test_scaling_up_begins_with_the_second_epoch_and_ends_at_four_fifths() -> None:
    attack = make("muap")
    delta = torch.linspace(0, EPS, 100).repeat(3, 1, 1)
    assert torch.equal(attack.renewed(delta, 0), delta)
    assert float((attack.renewed(delta, 1) >= EPS * 0.999).float().mean()) >= 0.79
    full = torch.full((3, 4, 5), EPS).index_fill(2, torch.tensor([0]), EPS / 9)
    assert torch.equal(attack.renewed(full, 1), full)
    assert torch.equal(attack.renewed(torch.zeros(3, 4, 5), 1), torch.zeros(3, 4, 5))
    assert torch.equal(make("uap").renewed(delta, 1), delta)


@universal
def test_the_perturbation_is_one_for_all_images(name: str, tmp_path: Path) -> None:
    attack = make(name, **SMALL)
    encoder = tiny_encoder()
    batch = scene(encoder, image_set(size=(16, 8)))
    attack.prepared = prepared(attack, task(tmp_path, encoder=encoder))
    delta = attack.prepared["delta"]
    assert delta.shape == (3, 16, 8)
    assert 0 < float(delta.abs().max()) <= EPS + 1e-8
    images = attack.run(encoder, batch).images
    expected = (batch.images + delta).clamp(0, 1)
    torch.testing.assert_close(images, expected, rtol=0, atol=1e-7)


@universal
def test_what_it_may_know_depends_on_what_it_is_trained_on(name: str) -> None:
    plugin = type(make(name))
    target, surrogate = plugin.parse_config({}), plugin.parse_config({"on": "surrogate"})
    assert plugin.needs_preparation
    assert plugin.threat_with(target).knowledge == "white"
    assert plugin.surrogates(target) == ()
    assert plugin.threat_with(surrogate).knowledge == "transfer"
    assert [one.defense for one in plugin.surrogates(surrogate)] == ["none"]


def test_the_epoch_with_the_lowest_held_out_map_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = iter([0.5, 0.2, 0.4])
    monkeypatch.setattr(TrainedFirst, "_held_out_map", lambda *_: next(judged))
    options = {"identities": 4, "epoch_steps": 1}
    chosen = prepared(make("uap", epochs=3, **options), task(tmp_path / "judged"))
    monkeypatch.undo()
    blind = [
        prepared(
            make("uap", epochs=epochs, **options),
            task(tmp_path / f"blind {epochs}", held_out=False),
        )
        for epochs in (2, 3)
    ]
    assert_same(chosen, blind[0])
    assert not torch.equal(blind[1]["delta"], blind[0]["delta"])


def test_held_out_images_rank_all_others(tmp_path: Path) -> None:
    attack, one = make("uap"), task(tmp_path)
    seen = one.train
    negatives = ImageSet(255 - seen.images, seen.pids, seen.camids, seen.names)  # no duplicates
    one = replace(one, train=negatives)
    still = {"delta": torch.zeros(3, 16, 8)}
    trained = guides_of(one.encoder, one.train).embeddings
    found = attack._held_out_map(one, still, trained)
    held = guides_of(one.encoder, one.held_out).embeddings
    vectors = F.normalize(torch.cat([held, trained])).numpy()
    pids = np.concatenate([one.held_out.pids, one.train.pids])
    camids = np.concatenate([one.held_out.camids, one.train.camids])
    values = []
    for query in range(len(one.held_out)):
        order = np.argsort(-vectors @ vectors[query], kind="stable")
        kept = [i for i in order if pids[i] != pids[query] or camids[i] != camids[query]]
        hits = np.array([pids[i] == pids[query] for i in kept])
        values.append((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())
    assert found == pytest.approx(np.mean(values), abs=1e-6)


def test_held_out_images_without_a_match_judge_nothing(tmp_path: Path) -> None:
    one = task(tmp_path)
    single = replace(one, held_out=one.held_out.subset([0, 4, 8]))
    trained = guides_of(one.encoder, one.train).embeddings
    still = {"delta": torch.zeros(3, 16, 8)}
    assert make("uap")._held_out_map(single, still, trained) is None


@settings(max_examples=50)
@given(
    st.lists(st.integers(-1, 9), min_size=12, max_size=60), st.integers(0, 5), st.integers(1, 12)
)
def test_batches_hold_no_image_twice(labels: list[int], seed: int, least: int) -> None:
    pids = np.array([*labels, 1, 2], np.int64)
    people = pids > 0
    batches = pk_batches(pids, people, 4, 2, seed, least)
    known = len(np.unique(pids[people]))
    assert len(batches) == max(least, len(pids) // (min(4, known) * 2))
    for rows in batches:
        assert len(set(rows.tolist())) == len(rows)
        names, counts = np.unique(pids[rows], return_counts=True)
        assert len(names) == min(4, known)
        assert names.min() > 0
        assert all(
            count == min(2, int((pids == name).sum()))
            for name, count in zip(names, counts, strict=True)
        )
    again = pk_batches(pids, people, 4, 2, seed, least)
    assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))
