"""Both soft average precisions beside plain loops; their gradients beside autograd's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from benchmark.metrics import soft_ap
from benchmark.metrics.soft_ap import smooth_ap_loss, soft_average_precision

Masks = tuple[NDArray[np.bool_], NDArray[np.bool_]]
few = settings(max_examples=25)


def masks(rng: np.random.Generator, rows: int, columns: int) -> Masks:
    """Matches and what is ranked; some matches are not ranked, the last row has none at all."""
    positive, valid = rng.random((rows, columns)) < 0.35, rng.random((rows, columns)) < 0.8
    positive[:, 0] = valid[:, 0] = True
    positive[-1] = False
    return positive, valid


def binned(
    distances: NDArray[np.float64],
    positive: NDArray[np.bool_],
    valid: NDArray[np.bool_],
    bins: int,
) -> float:
    width = 2 / (bins - 1)
    right, everything = [0.0] * bins, [0.0] * bins
    for d, match, ranked in zip(distances, positive, valid, strict=True):
        for m in range(bins):
            share = max(0.0, 1 - abs(d - m * width) / width)
            everything[m] += share * ranked
            right[m] += share * (ranked and match)
    result = 0.0
    for m in range(bins):
        if right[m]:
            precision = sum(right[: m + 1]) / sum(everything[: m + 1])
            result += precision * right[m] / sum(right)
    return result


def smooth(
    scores: NDArray[np.float64],
    positive: NDArray[np.bool_],
    valid: NDArray[np.bool_],
    temperature: float,
) -> float:
    ranked = [j for j in range(len(scores)) if valid[j]]
    matches = [j for j in ranked if positive[j]]
    if not matches:
        return 1.0
    total = 0.0
    for i in matches:
        ahead = {j: 1 / (1 + np.exp((scores[i] - scores[j]) / temperature)) for j in ranked}
        right = 1 + sum(ahead[j] for j in matches if j != i)
        place = 1 + sum(ahead[j] for j in ranked if j != i)
        total += right / place
    return 1 - total / len(matches)


def naive_smooth(scores: Tensor, positive: Tensor, valid: Tensor, temperature: float) -> Tensor:
    """The definition with (B, N, N) comparisons, for autograd."""
    matches = (positive & valid).to(scores.dtype)
    others = 1 - torch.eye(scores.shape[1], dtype=scores.dtype)
    ahead = torch.sigmoid((scores[:, None, :] - scores[:, :, None]) / temperature) * others
    right = 1 + (ahead * matches[:, None, :]).sum(2)
    place = 1 + (ahead * valid.to(scores.dtype)[:, None, :]).sum(2)
    precision = (right / place * matches).sum(1) / matches.sum(1).clamp_min(1)
    return torch.where(matches.any(1), 1 - precision, 1)


def exact_ap(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    hits = positive[np.argsort(-scores)]
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())


@few
@given(st.integers(0, 2**32), st.integers(2, 12))
def test_binned_equals_the_loops(seed: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    distances = rng.uniform(0, 2, (4, 9))
    positive, valid = masks(rng, 4, 9)
    found = soft_average_precision(*map(torch.from_numpy, (distances, positive, valid)), bins)
    rows = zip(distances, positive, valid, strict=True)
    np.testing.assert_allclose(found, [binned(*row, bins) for row in rows], atol=1e-12)


@few
@given(st.integers(0, 2**32), st.floats(0.02, 2), st.booleans())
def test_smooth_equals_the_loops(seed: int, temperature: float, told: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.uniform(-1, 1, (4, 9))
    positive, valid = masks(rng, 4, 9)
    most = int((positive & valid).sum(1).max()) if told else None
    tensors = map(torch.from_numpy, (scores, positive, valid))
    found = smooth_ap_loss(*tensors, temperature, most)
    rows = zip(scores, positive, valid, strict=True)
    np.testing.assert_allclose(found, [smooth(*row, temperature) for row in rows], atol=1e-12)


@pytest.mark.parametrize("temperature", [0.04, 0.3])
@pytest.mark.parametrize("at_once", [1, 80, 1 << 20])  # one match, two matches, all at a time
def test_the_gradient_of_smooth_equals_autograd_of_the_definition(
    temperature: float, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soft_ap, "AT_ONCE", at_once)
    rng = np.random.default_rng(3)
    positive, valid = (torch.from_numpy(one) for one in masks(rng, 5, 8))
    scores = torch.from_numpy(rng.uniform(-1, 1, (5, 8))).requires_grad_(True)
    weights = torch.from_numpy(rng.normal(size=5))
    ours, theirs = (
        torch.autograd.grad((loss(scores, positive, valid, temperature) * weights).sum(), scores)[0]
        for loss in (smooth_ap_loss, naive_smooth)
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    assert float(ours.abs().max()) > 1e-3
    assert not ours[-1].any()
    assert not ours[~valid].any()


def test_gradients_pass_gradcheck() -> None:
    rng = np.random.default_rng(4)
    positive, valid = (torch.from_numpy(one) for one in masks(rng, 3, 6))
    scores = torch.from_numpy(rng.uniform(-1, 1, (3, 6))).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda s: smooth_ap_loss(s, positive, valid, 0.2), scores)
    # Away from the kinks of the kernel, which lie at the centres of the bins.
    distances = torch.from_numpy(rng.integers(0, 4, (3, 6)) / 2 + rng.uniform(0.1, 0.4, (3, 6)))
    distances.requires_grad_(True)
    assert torch.autograd.gradcheck(
        lambda d: soft_average_precision(d, positive, valid, 5), distances
    )


@few
@given(st.integers(0, 2**32))
def test_small_temperatures_and_many_bins_near_the_exact_ap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ranks = np.stack([rng.permutation(10) for _ in range(3)])
    positive = rng.random((3, 10)) < 0.4
    positive[:, 0] = True
    expected = [exact_ap(-row, hits) for row, hits in zip(ranks, positive, strict=True)]
    everything = torch.ones(3, 10, dtype=torch.bool)
    matches = torch.from_numpy(positive)
    found = smooth_ap_loss(torch.from_numpy(-ranks / 10), matches, everything, 1e-3)
    np.testing.assert_allclose(1 - found, expected, atol=1e-9)
    distances = torch.from_numpy(0.2 * ranks.astype(np.float64))  # each in a bin of its own
    found = soft_average_precision(distances, matches, everything, 101)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_loss_close_to_0_is_not_rounded_away() -> None:
    scores = torch.tensor([[1.0, 0.0]], requires_grad=True)  # float32
    match = torch.tensor([[True, False]])
    loss = smooth_ap_loss(scores, match, torch.ones_like(match), 0.05)
    expected = np.exp(-20) / (1 + np.exp(-20))  # 2e-9, below the spacing of float32 near 1
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-4)
    (gradient,) = torch.autograd.grad(loss.sum(), scores)
    assert gradient.tolist()[0] == pytest.approx([-20 * expected, 20 * expected], rel=1e-3)


def test_rows_without_a_positive_have_no_gradient() -> None:
    values = torch.rand(2, 4, dtype=torch.float64, requires_grad=True)
    nothing, everything = torch.zeros(2, 4, dtype=torch.bool), torch.ones(2, 4, dtype=torch.bool)
    for positive, valid in ((nothing, everything), (everything, nothing)):
        loss = smooth_ap_loss(values, positive, valid)
        precision = soft_average_precision(values, positive, valid)
        assert loss.tolist() == [1, 1]
        assert precision.tolist() == [0, 0]
        (gradient,) = torch.autograd.grad((loss + precision).sum(), values)
        assert not gradient.any()


@pytest.mark.parametrize("bins", [1, 0, -3])
def test_fewer_than_two_bins_are_refused(bins: int) -> None:
    chosen = torch.ones(1, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match=f"{bins} bins span no distance"):
        soft_average_precision(torch.ones(1, 2), chosen, chosen, bins)


def test_smooth_can_be_differentiated_once() -> None:
    scores = torch.rand(1, 3, requires_grad=True)
    chosen = torch.tensor([[True, False, False]])
    loss = smooth_ap_loss(scores, chosen, torch.ones_like(chosen)).square().sum()
    (gradient,) = torch.autograd.grad(loss, scores, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()  # type: ignore[no-untyped-call]
