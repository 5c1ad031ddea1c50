"""Lists agree with the ranking that is scored, and are of the queries that lose most."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.core.reranking import Reranking
from benchmark.evaluation.ranked_lists import (
    LISTED_IMAGES,
    LISTED_QUERIES,
    losing_queries,
)
from benchmark.evaluation.set_ranker import SetRanker
from benchmark.metrics.ranking import RankingResult
from tests.tiny_scene import image_set


def ranking(ap):
    return RankingResult(np.array(ap), np.array(ap), np.ones(len(ap), np.int64))


@pytest.mark.parametrize("rerank", [None, Reranking(k1=5, k2=3)])
def test_lists_are_the_ranking_that_is_scored(rerank):
    query, gallery = image_set(identities=5, per_camera=1), image_set(identities=6)
    junk = np.zeros(len(gallery), np.bool_)
    junk[::7] = True
    gallery = replace(gallery, junk=junk, distractor=~junk & (gallery.pids == 6))
    torch.manual_seed(0)
    embeddings = torch.randn(len(query), 8), torch.randn(len(gallery), 8)
    embeddings[1][3] = embeddings[1][12]  # a tie
    ranker = SetRanker(query, gallery, rerank)
    ranks = ranker.rank(*embeddings).rank
    lists = ranker.nearest(np.arange(len(query)), *embeddings)
    assert lists.shape == (len(query), LISTED_IMAGES)
    for row, (nearest, rank) in enumerate(zip(lists, ranks, strict=True)):
        shown = nearest[nearest >= 0]
        assert len(set(shown)) == len(shown)
        assert not junk[shown].any()
        own = (gallery.pids == query.pids[row]) & gallery.people
        assert not (own & (gallery.camids == query.camids[row]))[shown].any()
        hits = np.flatnonzero(own[shown])
        assert (hits[0] + 1 if len(hits) else 0) == (rank if rank <= LISTED_IMAGES else 0)


def test_a_gallery_of_fewer_images_leaves_places_empty():
    query, gallery = image_set(identities=2), image_set(identities=2)
    embeddings = torch.randn(len(query), 4), torch.randn(len(gallery), 4)
    lists = SetRanker(query, gallery).nearest(np.arange(len(query)), *embeddings)
    assert lists.shape == (len(query), len(gallery))
    assert ((lists == -1).sum(axis=1) == 2).all(), "two are of the own camera"


def test_those_that_lose_most_are_of_different_people():
    clean = [0.9, 0.8, 1.0, np.nan, 0.5, 0.6, 0.6, 0.6, 0.6]
    attacked = [0.1, 0.1, 0.1, np.nan, 0.4, 0.1, 0.2, 0.3, 0.55]
    pids = np.array([1, 1, 2, 3, 4, 5, 6, 7, 8])
    rows = losing_queries(ranking(clean), ranking(attacked), pids)
    assert rows.tolist() == [2, 0, 5, 6, 7]
    assert len(rows) == LISTED_QUERIES
    nothing = ranking([np.nan, np.nan])
    assert losing_queries(nothing, nothing, np.array([1, 2])).tolist() == []
