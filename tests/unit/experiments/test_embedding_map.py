"""Distances and silhouettes against plain loops, and the map on tiny data."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from benchmark.core.errors import UsageError
from benchmark.core.registry import DATASETS
from benchmark.experiments.embedding_map.embedding_distances import (
    displacement,
    identity_distance,
    silhouettes,
)
from benchmark.experiments.embedding_map.embedding_figure import check_tsne
from benchmark.metrics.ranking import rank_queries
from results.records.store import load_per_query

SMALL = {"attack": ["metric-fgsm"], "test_dataset": ["none"]}


def cosine(a, b):
    return 1 - float(np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.fixture
def vectors():
    rng = np.random.default_rng(0)
    return {
        "query": rng.normal(size=(6, 5)).astype(np.float32),
        "pids": np.array([1, 1, 2, 2, 3, 9]),
        "camids": np.array([1, 2, 1, 2, 1, 1]),
        "gallery": rng.normal(size=(9, 5)).astype(np.float32),
        "owners": np.array([1, 1, 2, 2, 3, 3, 0, -1, 3]),
        "cameras": np.array([1, 2, 2, 3, 1, 1, 1, 1, 1]),
    }


def test_silhouettes_are_those_of_plain_loops(vectors):
    v = vectors
    found = silhouettes(
        v["query"], v["pids"], v["camids"], (v["gallery"], v["owners"], v["cameras"])
    )
    expected = []
    for q, pid, camid in zip(v["query"], v["pids"], v["camids"], strict=True):
        distances = np.array([cosine(q, g) for g in v["gallery"]])
        own = (v["owners"] == pid) & (v["cameras"] != camid)
        if not own.any():
            expected.append(np.nan)
            continue
        a = distances[own].mean()
        b = min(distances[v["owners"] == other].mean() for other in (1, 2, 3) if other != pid)
        expected.append((b - a) / max(a, b))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.isnan(found[4:]).all(), "no match in another camera, or none at all"


def test_displacement_is_a_mean_cosine_distance(vectors):
    clean = vectors["query"]
    assert displacement(clean, 3 * clean) == pytest.approx(0, abs=1e-6)
    assert displacement(clean, -clean) == pytest.approx(2)
    other = np.roll(clean, 1, axis=0)
    expected = np.mean([cosine(a, b) for a, b in zip(clean, other, strict=True)])
    assert displacement(clean, other) == pytest.approx(expected, rel=1e-5)


def test_identity_distance_is_between_centroids(vectors):
    people = vectors["owners"] > 0
    gallery, owners = vectors["gallery"][people], vectors["owners"][people]
    unit = gallery / np.linalg.norm(gallery, axis=1, keepdims=True)
    centroids = [unit[owners == pid].mean(0) for pid in (1, 2, 3)]
    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = np.mean([cosine(centroids[i], centroids[j]) for i, j in pairs])
    assert identity_distance(gallery, owners) == pytest.approx(expected, rel=1e-5)


def test_the_attacked_embeddings_are_those_that_a_run_ranks(run_tiny, tmp_path):
    """The AP that they give is that of the run's own attack cell."""
    options = {"attack": ["sma"], "test_dataset": ["none"]}
    done = run_tiny("embedding-map", {"identities": 4}, **options)
    (row,) = done.document["result"]["rows"]
    assert row["relative"]["mean"] > 0
    assert row["silhouette_attacked"]["mean"] < row["silhouette_clean"]["mean"]
    assert len(done.document["result"]["drawn_identities"]) == 4
    picture = tmp_path / "out" / "experiments" / "embedding-map" / "map.png"
    assert picture.stat().st_size > 5000
    run_tiny("main", {}, defense=["tiny-defense"], eps=[8], **options)
    main = tmp_path / "out" / "experiments" / "main" / "records"
    stored = load_per_query(next(main.glob("*.npz")))
    cells = (tmp_path / "out" / "cells").glob("*/cell.json")
    (folder,) = [path.parent for path in cells if '"what": "embeddings"' in path.read_text()]
    with np.load(folder / "arrays.npz") as arrays:
        dataset = DATASETS.get("tiny")(cache_dir=tmp_path / "pixels", progress=None)
        gallery = dataset.split("gallery")
        ranking = rank_queries(
            torch.from_numpy(arrays["attacked"]),
            stored.pids,
            stored.camids,
            torch.from_numpy(arrays["gallery"]),
            gallery.pids,
            gallery.camids,
            gallery_junk=gallery.junk,
            gallery_distractor=gallery.distractor,
        )
    np.testing.assert_allclose(ranking.ap, stored.ap["sma@8"], atol=1e-6)


def test_without_scikit_learn_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(UsageError, match="scikit-learn, which is not installed") as caught:
        check_tsne()
    assert "reid-robustbench[experiments]" in caught.value.hint
