"""Where the labels of points go so that they cover neither each other nor a point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))
_STEPS = (1.0, 2.2, 3.6, 5.2, 7.0, 9.0)
"""Distances that are tried, in units of the gap."""


@dataclass(frozen=True)
class Place:
    """Where a label goes.

    Attributes:
        x: Left edge.
        y: Lower edge.
        far: Whether it is so far from its point that a line should lead to it.
    """

    x: float
    y: float
    far: bool


def place_labels(
    points: NDArray[np.float64],
    sizes: Sequence[tuple[float, float]],
    area: tuple[float, float],
    gap: float,
) -> list[Place | None]:
    """Place labels one after the other, each as near to its point as is free.

    Args:
        points: (N, 2) centres, in the unit of the area.
        sizes: Width and height of each label.
        area: Width and height of the ground; labels stay within it.
        gap: Distance of a label from its point, and half the size of the mark of a point.

    Returns:
        One place for each point; None where no place is free.
    """
    taken: NDArray[np.float64] = np.concatenate([points - gap / 2, points + gap / 2], axis=1)
    places: list[Place | None] = []
    for number, size in enumerate(sizes):
        boxes, far = _candidates(points[number], size, gap)
        inside = (boxes[:, :2] >= 0).all(axis=1) & (boxes[:, 2:] <= np.array(area)).all(axis=1)
        after = boxes[:, None, :2] >= taken[:, 2:]
        before = boxes[:, None, 2:] <= taken[:, :2]
        free = np.flatnonzero(inside & np.all(np.any(after | before, axis=2), axis=1))
        if not len(free):
            places.append(None)
            continue
        box = boxes[free[0]]
        taken = np.concatenate([taken, box[None]])
        places.append(Place(float(box[0]), float(box[1]), bool(far[free[0]])))
    return places


def _candidates(
    point: NDArray[np.float64], size: tuple[float, float], gap: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return (C, 4) boxes around a point, the nearest first, and which are far from it."""
    tried = [(step, one) for step in _STEPS for one in _DIRECTIONS]
    ways = np.array([one for _, one in tried], dtype=np.float64)
    steps = np.array([step for step, _ in tried])
    extent = np.array(size)
    low = point + ways * gap * steps[:, None] + (ways - 1) / 2 * extent
    return np.concatenate([low, low + extent], axis=1), steps > 1
