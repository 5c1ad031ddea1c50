"""What the probe measures, against encoders whose figures are known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.checks import probe
from benchmark.checks.consistency import Consistency, measure_consistency
from benchmark.checks.figures import ProbeFigures
from benchmark.checks.gradients import has_graph, measure_gradients
from benchmark.checks.probe import QUERIES, probe_encoder, probed_rows
from benchmark.core.adaptive import BackwardThrough, ExpectedEncoder
from benchmark.core.batches import Batches
from benchmark.core.image_set import ImageSet
from benchmark.evaluation.evaluator import Evaluator
from benchmark.metrics.chance import chance_map
from benchmark.metrics.ranking import RankingResult
from tests.tiny_scene import CPU, image_set, tiny_encoder


class Around(nn.Module):
    """The tiny encoder, spoilt."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = tiny_encoder()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.plain(images)
        return out * self.gain


class Noisy(Around):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) + torch.randn(len(images), 1)


class Dropping(Around):
    def forward(self, images: Tensor) -> Tensor:
        self.plain.neck.train()
        return super().forward(images)


class Neighbourly(Around):
    def forward(self, images: Tensor) -> Tensor:
        out = super().forward(images)
        return out + torch.linspace(0, 1, len(out))[:, None]


class Optimising(Around):
    def forward(self, images: Tensor) -> Tensor:
        with torch.enable_grad():
            shift = torch.zeros_like(images, requires_grad=True)
            (gradient,) = torch.autograd.grad((images + shift).square().sum(), shift)
        return super().forward(images - 0.1 * gradient)


class Detached(Around):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.detach())


class Small(Around):
    """Memory for ten images."""

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > 10:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().forward(images)


def images() -> Tensor:
    return image_set(size=(16, 8)).tensor(slice(None))


def consistency(encoder: nn.Module) -> Consistency:
    return measure_consistency(encoder.eval(), images(), "x")


def test_a_sound_encoder_is_consistent() -> None:
    seen = consistency(Around())
    assert seen.repeat_difference == 0
    assert max(seen.batch_difference, seen.order_difference) < 1e-5
    assert not seen.training_modules
    assert not seen.changed_state
    assert not seen.enables_gradients


def test_randomness_is_seen() -> None:
    assert consistency(Noisy()).repeat_difference > 0.01


def test_modules_in_training_mode_and_changed_buffers_are_named() -> None:
    seen = consistency(Dropping())
    assert seen.training_modules == ["plain.neck"]
    assert "plain.neck.running_mean" in seen.changed_state


def test_batches_and_their_order_are_compared() -> None:
    seen = consistency(Neighbourly())
    assert seen.repeat_difference == 0
    assert seen.batch_difference > 0.01
    assert seen.order_difference > 0.01


def test_an_optimisation_inside_is_seen_and_the_watch_ends_with_it() -> None:
    assert consistency(Optimising()).enables_gradients
    assert not consistency(Around()).enables_gradients


def test_gradients_are_those_of_the_distance_by_hand() -> None:
    encoder, pixels = Around().eval(), images()
    goal = F.normalize(torch.randn(len(pixels), encoder.plain.embedding_dim))
    seen = measure_gradients(encoder, pixels, goal, "x")
    leaf = pixels.clone().requires_grad_(True)
    (2 - 2 * (F.normalize(encoder(leaf)) * goal).sum(1)).sum().backward()
    assert leaf.grad is not None
    median = float(leaf.grad.abs().amax((1, 2, 3)).median())
    assert seen.median_largest == pytest.approx(median, rel=1e-3)
    assert (seen.zero_images, seen.vanishing_images) == (0, 0)
    assert encoder.gain.grad is not None  # by hand; the measurement leaves parameters alone
    assert encoder.gain.requires_grad


def test_gradients_that_are_not_there_are_counted() -> None:
    pixels = images()
    goal = torch.zeros(len(pixels), 1)
    for spoilt in (Detached(), nn.Sequential(Rounding(), Around())):
        seen = measure_gradients(spoilt.eval(), pixels, goal, "x")
        assert (seen.zero_images, seen.zero_pixels, seen.vanishing_images) == (1, 1, 1)
    tiny = nn.Sequential(Around(), Scaled(1e-12)).eval()
    seen = measure_gradients(tiny, pixels, goal, "x")
    assert (seen.zero_images, seen.vanishing_images) == (0, 1)


def test_an_encoder_without_a_graph_is_told_from_one_with_a_zero_gradient() -> None:
    assert not has_graph(Detached(), images(), "x")
    assert has_graph(nn.Sequential(Rounding(), Around()), images(), "x")


def test_batches_are_looked_at_together() -> None:
    """Those that memory cuts give the same figures; of a wrong batch, the worst is told."""
    pixels, small = images(), Small().eval()
    goal = F.normalize(torch.randn(len(pixels), small.plain.embedding_dim))

    def halving() -> Batches:
        return Batches(len(pixels), 16, adjusts=True, device=CPU.device, owner="x")

    whole = measure_gradients(Around().eval(), pixels, goal, "x")
    cut = measure_gradients(small, pixels, goal, "x", halving())
    assert cut.median_largest == pytest.approx(whole.median_largest, rel=1e-4)
    assert (cut.zero_images, cut.zero_pixels) == (whole.zero_images, whole.zero_pixels)
    seen = measure_consistency(small, pixels, "x", halving())
    assert max(seen.repeat_difference, seen.batch_difference, seen.order_difference) < 1e-5
    spoilt = measure_consistency(Dropping().eval(), pixels, "x", halving())
    assert spoilt.training_modules == ["plain.neck"]
    assert len(spoilt.changed_state) == len(set(spoilt.changed_state))
    assert not seen.changed_state


class Rounding(nn.Module):
    def forward(self, pixels: Tensor) -> Tensor:
        return (pixels * 15).round() / 15


class Scaled(nn.Module):
    """Embeddings that hardly turn: a constant, and a little of the encoder's."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, embeddings: Tensor) -> Tensor:
        return 1 + self.factor * embeddings


def test_chance_is_the_mean_of_random_rankings() -> None:
    everything = image_set(identities=3, per_camera=3, size=(16, 8))
    query, gallery = halves(everything)
    rng = np.random.default_rng(0)
    expected = []
    for pid, camid in zip(query.pids, query.camids, strict=True):
        ranked = (gallery.pids != pid) | (gallery.camids != camid)
        matches = (gallery.pids == pid)[ranked]
        for _ in range(2000):
            hits = np.flatnonzero(rng.permutation(matches)) + 1
            expected.append((np.arange(1, len(hits) + 1) / hits).mean())
    assert chance_map(query, gallery) == pytest.approx(100 * np.mean(expected), abs=0.7)


def test_distractors_count_and_junk_does_not() -> None:
    query, gallery = halves(image_set(identities=3, size=(16, 8)))
    third = gallery.pids == 3
    junk = replace(gallery, junk=third)
    without = gallery.subset(~third)
    first = query.subset(query.pids == 1)
    assert chance_map(first, junk) == pytest.approx(chance_map(first, without))
    distractors = replace(gallery, distractor=third)
    assert chance_map(first, distractors) == pytest.approx(chance_map(first, gallery))


def halves(images: ImageSet) -> tuple[ImageSet, ImageSet]:
    """Split into queries, the first image of an identity in a camera, and the rest."""
    keys = list(zip(images.pids.tolist(), images.camids.tolist(), strict=True))
    first = np.array([keys.index(key) == row for row, key in enumerate(keys)])
    return images.subset(first), images.subset(~first)


def ranking(valid: list[bool]) -> RankingResult:
    rank = np.array(valid, np.int64)
    return RankingResult(rank.astype(float), rank.astype(float), rank)


def test_probed_queries_have_matches_and_many_identities() -> None:
    query = image_set(identities=60, cameras=2, per_camera=1, size=(8, 8))
    valid = [row not in (0, 1) for row in range(len(query))]
    rows = probed_rows(query, ranking(valid))
    assert len(rows) == QUERIES
    assert len(set(query.pids[rows].tolist())) == QUERIES
    assert 1 not in query.pids[rows]
    assert rows[-1] >= len(query) - 2
    few = image_set(identities=3, cameras=2, per_camera=1, size=(8, 8))
    assert probed_rows(few, ranking([True] * 6)).tolist() == list(range(6))


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "BLACK_BOX", ("square", {"queries": 10}))
    monkeypatch.setattr(probe, "SWEEP_255", (8.0,))


def figures(encoder: nn.Module, view: nn.Module) -> ProbeFigures:
    query, gallery = halves(image_set(size=(16, 8)))
    evaluator = Evaluator.of(encoder, query, gallery, policy=CPU, owner="x", adaptive=view)
    outcome = probe_encoder(evaluator, seed=0)
    return ProbeFigures.model_validate(json.loads(json.dumps(outcome)))


@pytest.mark.usefixtures("cheap")
def test_the_probe_repeats_itself_and_tells_what_it_looked_through() -> None:
    encoder = Around().eval()
    seen = figures(encoder, encoder)
    assert seen == figures(encoder, encoder)
    assert (seen.eot_samples, seen.has_surrogate, seen.queries) == (1, False, 8)
    assert [one.eps_255 for one in seen.sweep] == [8, 255]
    assert seen.white_box_map == min(
        m
        for m in (seen.single_step_map, seen.iterated_map, seen.long_map, seen.sweep[0].map)
        if m is not None
    )
    through = ExpectedEncoder(BackwardThrough(encoder, encoder), 2)
    seen = figures(encoder, through)
    assert (seen.eot_samples, seen.has_surrogate) == (2, True)


@pytest.mark.usefixtures("cheap")
def test_an_encoder_without_a_graph_is_probed_without_gradients() -> None:
    encoder = Detached().eval()
    seen = figures(encoder, encoder)
    assert seen.white_box_map is None
    assert seen.sweep == []
    assert seen.view_gradients.zero_images == 1
    assert seen.black_box_map > 0


class Counting(Around):
    """Notes the batches that it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.batches.append(len(images))
        return super().forward(images)


@pytest.mark.parametrize(("adjusts", "most"), [(True, 8), (False, 3)])
def test_the_batch_counts_where_it_is_part_of_the_result(adjusts: bool, most: int) -> None:
    """As for a random encoder; others are probed in one batch, whatever was configured."""
    encoder = Counting().eval()
    query, gallery = halves(image_set(size=(16, 8)))
    evaluator = Evaluator.of(
        encoder, query, gallery, policy=CPU, owner="x", batch=3, adjusts=adjusts
    )
    probed = probe.Probe.of(evaluator, 0)
    for name in ("consistency", "view-gradients", "single-step"):
        encoder.batches.clear()
        probed.measure(name)
        assert max(encoder.batches) == most
