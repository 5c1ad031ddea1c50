"""Identity logits against a brute force and against the ranking."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.core.guides import Guides
from benchmark.metrics.ranking import rank_queries
from benchmark.metrics.retrieval_logits import (
    ABSENT_MARGIN,
    IdentityClasses,
    class_indices,
    identity_logits,
)

KINDS = ("nearest", "soft-nearest", "centroid")


def random_case(seed, images=6, gallery=30, identities=5, cameras=3, lowest=-1, width=4):
    """Return embeddings, gallery, pids and camids; the gallery has junk and distractors.

    The first image has no match: identity 1 has one gallery image, by the same camera.
    """
    rng = np.random.default_rng(seed)
    pids = rng.integers(lowest, identities + 1, gallery)
    pids[pids == 1] = 2
    pids[:2] = 1, 2
    guides = Guides(
        torch.from_numpy(rng.normal(size=(gallery, width)) * rng.uniform(0.1, 9, (gallery, 1))),
        torch.from_numpy(pids),
        torch.from_numpy(rng.integers(1, cameras + 1, gallery)),
        junk=torch.from_numpy(pids < 0),
        distractor=torch.from_numpy(pids == 0),
    )
    embeddings = torch.from_numpy(rng.normal(size=(images, width)))
    own = torch.from_numpy(rng.integers(1, identities + 2, images))  # some have no match
    camids = torch.from_numpy(rng.integers(1, cameras + 1, images))
    own[0], camids[0] = 1, guides.camids[0]
    return embeddings, guides, own, camids


def brute_force(embeddings, gallery, pids, camids, kind, scale):
    """One image, one class, one gallery image at a time; None where a class has no image."""
    keys = sorted({p for p in gallery.pids.tolist() if p > 0})
    keys += [0] if 0 in gallery.pids.tolist() else []
    rows = []
    for f, pid, cam in zip(embeddings.numpy(), pids.tolist(), camids.tolist(), strict=True):
        f = f / np.linalg.norm(f)
        row = []
        for key in keys:
            shown = [
                g / np.linalg.norm(g)
                for g, p, c in zip(
                    gallery.embeddings.numpy(),
                    gallery.pids.tolist(),
                    gallery.camids.tolist(),
                    strict=True,
                )
                if p == key and not (p == pid and c == cam)
            ]
            distances = [float(((f - g) ** 2).sum()) for g in shown]
            if not shown:
                row.append(None)
            elif kind == "nearest":
                row.append(-scale * min(distances))
            elif kind == "soft-nearest":
                row.append(math.log(sum(math.exp(-scale * d) for d in distances)))
            else:
                mean = np.mean(shown, axis=0)
                row.append(-scale * float(((f - mean / np.linalg.norm(mean)) ** 2).sum()))
        rows.append(row)
    return rows


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_they_are_what_a_brute_force_says(kind, seed):
    case = random_case(seed, lowest=seed % 3 - 1)  # with and without junk and distractors
    expected = brute_force(*case, kind, 3.0)
    found = identity_logits(*case, kind, 3.0)
    assert found.shape == (len(expected), len(expected[0]))
    for ours, theirs in zip(found.tolist(), expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert one == pytest.approx(-24 - ABSENT_MARGIN if other is None else other, abs=1e-9)
    assert None in expected[0]


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    gallery=st.integers(4, 40),
    identities=st.integers(2, 8),
    cameras=st.integers(1, 4),
    lowest=st.integers(-1, 1),
)
def test_nearest_argmax_is_rank_1(seed, gallery, identities, cameras, lowest):
    embeddings, guides, pids, camids = random_case(
        seed, 12, gallery, identities, cameras, lowest, width=3
    )
    embeddings, guides = embeddings.float(), replace(guides, embeddings=guides.embeddings.float())
    has_match = guides.positive_mask(pids, camids).any(1)
    if not has_match.any():
        return
    ranking = rank_queries(
        embeddings,
        pids,
        camids,
        guides.embeddings,
        *labels(guides),
        gallery_junk=guides.pids < 0,
        gallery_distractor=guides.pids == 0,
    )
    logits = identity_logits(embeddings, guides, pids, camids, "nearest", 7.0)
    right = logits.argmax(1) == class_indices(guides, pids)
    assert has_match.tolist() == ranking.valid.tolist()
    assert right[has_match].tolist() == (ranking.rank[ranking.valid] == 1).tolist()
    assert not right[~has_match].any()


def labels(guides):
    return guides.pids, guides.camids


def test_distractors_are_one_class_at_the_end_and_junk_is_none():
    gallery = Guides(
        torch.tensor([[1.0, 0], [0, 1.0], [-1.0, 0], [0, -1.0]]),
        torch.tensor([7, -1, 0, 3]),
        torch.ones(4, dtype=torch.int64),
        junk=torch.tensor([False, True, False, False]),
        distractor=torch.tensor([False, False, True, False]),
    )
    image = torch.tensor([[0.0, 2.0]]), gallery, torch.tensor([7]), torch.tensor([2])
    logits = identity_logits(*image, "nearest", 1.0)
    torch.testing.assert_close(logits, torch.tensor([[-4.0, -2.0, -2.0]]))
    assert class_indices(gallery, torch.tensor([3, 7, 0, -1, 5, 9])).tolist() == [
        *(0, 1, -1, -1, -1, -1)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_own_camera_and_own_row_do_not_count(kind):
    guides = random_case(3)[1]
    rows = torch.nonzero(guides.pids > 0)[:6, 0]
    pids, none = guides.pids[rows], torch.full_like(rows, -1)
    seen = identity_logits(guides.embeddings[rows], guides, pids, none, kind, 5.0)
    own = identity_logits(guides.embeddings[rows], guides, pids, none, kind, 5.0, own_rows=rows)
    index = class_indices(guides, pids)[:, None]
    assert (own.gather(1, index) < seen.gather(1, index)).all()
    others = torch.ones_like(own, dtype=torch.bool).scatter(1, index, False)
    torch.testing.assert_close(own[others], seen[others])
    assert torch.equal(
        class_indices(guides, guides.pids[rows]), torch.searchsorted(guides.identities, pids)
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_right_and_finite(kind, seed):
    embeddings, *case = random_case(seed)
    embeddings.requires_grad_(True)

    def logits(vectors):
        return identity_logits(vectors, *case, kind, 2.0)

    assert torch.autograd.gradcheck(logits, embeddings)
    hard = torch.cat([case[0].embeddings[:5], torch.zeros(1, 4)]).requires_grad_(True)
    (gradient,) = torch.autograd.grad(identity_logits(hard, *case, kind, 1e4).sum(), hard)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_one_image_in_many_versions_hides_the_same(kind):
    embeddings, guides, pids, camids = random_case(4)
    classes = IdentityClasses(guides)
    hidden = classes.hidden(pids[:1], camids[:1])
    many = classes.logits(embeddings, hidden, kind, 2.0)
    each = identity_logits(embeddings, guides, pids[:1].expand(6), camids[:1].expand(6), kind, 2.0)
    torch.testing.assert_close(many, each)


def test_a_tie_is_lost_in_the_ranking_and_left_to_the_argmax_here():
    gallery = Guides(torch.ones(2, 2), torch.tensor([1, 2]), torch.tensor([1, 1]))
    query = torch.ones(1, 2)
    ranking = rank_queries(query, [1], [2], gallery.embeddings, gallery.pids, gallery.camids)
    pids = torch.tensor([1])
    logits = identity_logits(query, gallery, pids, torch.tensor([2]), "nearest", 1.0)
    assert ranking.rank.tolist() == [2]
    assert logits[0, 0] == logits[0, 1]
