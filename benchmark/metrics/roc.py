"""ROC of a detector: how well a score tells attacked from benign images, with its uncertainty.

A score is high where the detector suspects an attack; an image is flagged if its score is above a
threshold. Ties count half in the area, and against the detector at a threshold.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def roc_auc(benign: ArrayLike, attacked: ArrayLike) -> float:
    """Return the area under the ROC curve in [0, 1]: P(attacked > benign) + P(equal) / 2.

    It is the Mann-Whitney statistic (Hanley and McNeil, Radiology 1982), found by looking each
    attacked score up among the sorted benign ones.

    Args:
        benign: (N,) scores of benign images.
        attacked: (P,) scores of attacked images.

    Raises:
        ValueError: One of the two is empty, or holds NaN.
    """
    low, high = _scores(benign), _scores(attacked)
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, side="left")
    up_to = np.searchsorted(ordered, high, side="right")
    return float((below + up_to).mean() / (2 * len(low)))


def roc_curve(
    benign: ArrayLike, attacked: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return false and true positive rates from (0, 0) to (1, 1), a point a distinct score.

    Between points lie straight lines, so that the trapezoidal area is `roc_auc`.
    """
    low, high = _scores(benign), _scores(attacked)
    thresholds = np.unique(np.concatenate([low, high]))[::-1]
    rates = [
        1 - np.searchsorted(np.sort(scores), thresholds, side="left") / len(scores)
        for scores in (low, high)
    ]
    fpr, tpr = (np.concatenate([[0.0], rate]) for rate in rates)
    return fpr, tpr


def threshold_at(benign: ArrayLike, false_positive_rate: float) -> float:
    """Return the lowest threshold that flags at most this share of the benign images.

    Args:
        benign: (N,) scores.
        false_positive_rate: In [0, 1).
    """
    if not 0 <= false_positive_rate < 1:
        raise ValueError(f"a false positive rate of {false_positive_rate} is not in [0, 1)")
    ordered = np.sort(_scores(benign))[::-1]
    # Rounded first: 0.05 * 20 images are one image, whatever the last bit says.
    return float(ordered[math.floor(round(false_positive_rate * len(ordered), 9))])


def auc_interval(
    benign: ArrayLike,
    attacked: ArrayLike,
    benign_pids: ArrayLike,
    attacked_pids: ArrayLike,
    n: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Return the percentile interval of the area when the identities are drawn anew.

    Images of one person are not independent, and the attacked ones are those of the same people as
    the benign ones: whole identities are resampled, with both kinds of their images.

    Args:
        benign: (N,) scores.
        attacked: (P,) scores.
        benign_pids: (N,) identities.
        attacked_pids: (P,) identities; the same set.
        n: Number of resamples.
        seed: Of the resampling.
        level: Coverage, between 0 and 1.

    Returns:
        Lower and upper bound in [0, 1].

    Raises:
        ValueError: The two kinds are not of the same identities.
    """
    low, high = _scores(benign), _scores(attacked)
    identities, of_low = np.unique(np.asarray(benign_pids), return_inverse=True)
    others, of_high = np.unique(np.asarray(attacked_pids), return_inverse=True)
    if not np.array_equal(identities, others):
        raise ValueError("benign and attacked images must be of the same identities")
    count = len(identities)
    wins = (high[:, None] > low) + 0.5 * (high[:, None] == low)
    by_high = np.zeros((count, len(low)))
    np.add.at(by_high, of_high, wins)
    by_both = np.zeros((count, count))
    np.add.at(by_both.T, of_low, by_high.T)
    sizes_low, sizes_high = (np.bincount(of, minlength=count) for of in (of_low, of_high))
    chosen = np.random.default_rng(seed).integers(0, count, (n, count))
    weights = np.stack([np.bincount(row, minlength=count) for row in chosen]).astype(np.float64)
    areas = np.einsum("ri,ij,rj->r", weights, by_both, weights, optimize=True)
    areas /= (weights @ sizes_high) * (weights @ sizes_low)
    lower, upper = np.quantile(areas, [(1 - level) / 2, (1 + level) / 2])
    return float(lower), float(upper)


def _scores(values: ArrayLike) -> NDArray[np.float64]:
    scores = np.asarray(values, np.float64)
    if scores.ndim != 1 or not len(scores):
        raise ValueError(f"scores of shape {scores.shape}; at least one, in a row, is needed")
    if np.isnan(scores).any():
        raise ValueError("a score is NaN")
    return scores
