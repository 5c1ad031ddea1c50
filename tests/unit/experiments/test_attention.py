"""Maps against Grad-CAM by hand, overlaps against sets, and no picture of anybody."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn
from torch.nn import functional as F

from benchmark.core.errors import PluginError, UsageError
from benchmark.core.registry import DATASETS
from benchmark.experiments.attention.attention import chance_overlap, spread_evenly
from benchmark.experiments.attention.attention_sheet import (
    HEADER,
    AttentionExamples,
    attention_sheet,
    heated,
)
from benchmark.experiments.attention.saliency import likeness, overlap, saliency
from tests.tiny_scene import image_set, tiny_encoder

SMALL = {"attack": ["metric-fgsm"], "test_dataset": ["none"]}


def test_a_map_is_what_each_place_adds_to_the_cosine():
    """With pooling and a linear neck, w·A at a place is its share of the similarity's gradient."""
    encoder = tiny_encoder()
    images = image_set(identities=2, size=(32, 16)).tensor(slice(0, 3))
    references = torch.randn(3, encoder.embedding_dim, generator=torch.Generator().manual_seed(0))
    maps = saliency(encoder, images, references, "x")
    assert maps.shape == (3, 32, 16)
    assert float(maps.min()) >= 0
    with torch.no_grad():
        features = encoder.trunk((images - encoder.mean) / encoder.std)
    features = features.double()
    step = 1e-5
    neck, wanted = encoder.neck.double(), references.double()

    def similarity(pooled):
        return F.cosine_similarity(neck(pooled), wanted)

    pooled = features.mean((2, 3))
    count = features.shape[2] * features.shape[3]
    weights = torch.zeros_like(pooled)
    for channel in range(pooled.shape[1]):
        moved = pooled.clone()
        moved[:, channel] += step
        weights[:, channel] = (similarity(moved) - similarity(pooled)).detach() / step / count
    small = F.relu((weights[:, :, None, None] * features).sum(1, keepdim=True))
    expected = F.interpolate(small, size=(32, 16), mode="bilinear", align_corners=False)[:, 0]
    torch.testing.assert_close(maps.double(), expected, rtol=1e-3, atol=1e-7)


def test_the_encoder_is_left_as_it_was():
    encoder = tiny_encoder()
    images = image_set(identities=2, size=(16, 8)).tensor(slice(0, 2))
    before = encoder(images)
    saliency(encoder, images, torch.ones(2, encoder.embedding_dim), "x")
    torch.testing.assert_close(encoder(images), before, rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in encoder.parameters())


def test_wrapped_encoders_are_looked_into_and_others_refused():
    inner = tiny_encoder()

    class Quantised(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = inner

        def forward(self, images):
            return self.inner((images * 15).round() / 15)

    images = image_set(identities=2, size=(16, 8)).tensor(slice(0, 2))
    references = torch.ones(2, inner.embedding_dim)
    coarse = (images * 15).round() / 15
    expected = saliency(inner, coarse, references, "x")
    torch.testing.assert_close(saliency(Quantised(), images, references, "x"), expected)
    with pytest.raises(PluginError, match="no feature map"):
        saliency(nn.Flatten(), images, references, "x")


@given(st.integers(0, 2**16), st.sampled_from([0.1, 0.2, 0.5]))
def test_the_overlap_is_that_of_sets(seed, share):
    rng = np.random.default_rng(seed)
    first, second = rng.permutation(24.0 + np.arange(24)), rng.permutation(24.0 + np.arange(24))
    count = max(1, round(share * 24))
    sets = [set(np.argsort(-one)[:count].tolist()) for one in (first, second)]
    expected = len(sets[0] & sets[1]) / len(sets[0] | sets[1])
    maps = [one.reshape(1, 6, 4) for one in (first, second)]
    assert overlap(*maps, share) == pytest.approx(expected)
    assert overlap(maps[0], maps[0], share) == 1
    assert likeness(maps[0], maps[0]) == pytest.approx(1)


def test_empty_maps_share_nothing():
    empty, full = np.zeros((1, 4, 4)), np.ones((1, 4, 4))
    assert overlap(empty, empty) == 0
    assert overlap(empty, full) == 0
    assert likeness(empty, full) == 0


def test_chance_is_what_random_maps_reach():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 400, 16, 16))
    assert overlap(first, second).mean() == pytest.approx(chance_overlap(), abs=0.01)


def test_positions_are_spread_evenly():
    assert spread_evenly(10, 4).tolist() == [0, 3, 6, 9]
    assert spread_evenly(3, 9).tolist() == [0, 1, 2]


def test_a_sheet_without_images_shows_none():
    rng = np.random.default_rng(0)
    clean, attacked = rng.integers(0, 200, (2, 2, 16, 8, 3)).astype(np.uint8)
    maps = rng.random((2, 16, 8)).astype(np.float32)
    examples = {"a": AttentionExamples(clean, maps, attacked, maps)}
    with_people = np.asarray(attention_sheet(examples, ["1", "2"], True))
    without = np.asarray(attention_sheet(examples, ["1", "2"], False))
    blank = {"a": AttentionExamples(255 - clean, maps, 255 - attacked, maps)}
    assert with_people.shape == without.shape
    assert with_people.shape[0] > HEADER
    np.testing.assert_array_equal(without, np.asarray(attention_sheet(blank, ["1", "2"], False)))
    assert (with_people != np.asarray(attention_sheet(blank, ["1", "2"], True))).any()


def test_the_warmest_place_is_the_brightest():
    values = np.zeros((4, 4), np.float32)
    values[2, 1] = 3
    warm = heated(np.full((4, 4, 3), 100, np.uint8), values).sum(-1)
    assert warm.argmax() == 9


def test_the_experiment_keeps_no_image_of_data_that_show_people(run_tiny, tmp_path, monkeypatch):
    own = {"queries": 8, "pictures": 2}
    done = run_tiny("attention", own, seed=[0, 1], **SMALL)
    (row,) = done.document["result"]["rows"]
    assert set(row["overlap"]["by_seed"]) == {"0", "1"}
    assert 0 <= row["overlap"]["mean"] <= 1
    assert done.document["result"]["images_shown"] is False
    assert len(done.document["result"]["drawn"]) == 2
    stored = [json.loads(p.read_text()) for p in (tmp_path / "out" / "cells").glob("*/cell.json")]
    folders = [
        tmp_path / "out" / "cells" / card["fingerprint"]
        for card in stored
        if card["content"].get("what") == "maps"
    ]
    assert len(folders) == 2
    for folder in folders:
        with np.load(folder / "arrays.npz") as arrays:
            assert not arrays["attacked"].any()
            assert {arrays[name].dtype.kind for name in arrays} == {"f", "u"}
    picture = Image.open(tmp_path / "out" / "experiments" / "attention" / "maps.png")
    assert picture.width > 100
    monkeypatch.setattr(DATASETS.get("tiny"), "rendered", True)
    shown = run_tiny("attention", own, output=tmp_path / "again", **SMALL)
    assert shown.document["result"]["images_shown"] is True
    one, other = row["overlap"]["by_seed"]["0"], shown.document["result"]["rows"][0]["overlap"]
    assert one == pytest.approx(other["mean"])


def test_attention_is_under_one_attack(run_tiny):
    with pytest.raises(UsageError, match="one attack"):
        run_tiny("attention", {}, attack=["metric-fgsm", "tiny-attack"])
