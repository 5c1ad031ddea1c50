"""Labels of points cover neither each other nor a point, and stay on the ground."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from results.render.label_places import place_labels

AREA, SIZE, GAP = (300.0, 200.0), (40.0, 8.0), 4.0


def cover(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(one[k] < other[k + 2] and other[k] < one[k + 2] for k in (0, 1))


@pytest.mark.parametrize("count", [1, 30, 400])
def test_no_label_covers_another_or_a_point(count: int) -> None:
    points = np.random.default_rng(count).uniform((0, 0), AREA, (count, 2))
    places = place_labels(points, [SIZE] * count, AREA, GAP)
    boxes = [(p.x, p.y, p.x + SIZE[0], p.y + SIZE[1]) for p in places if p is not None]
    assert len(boxes) == count or count == 400
    assert boxes
    marks = [(x - GAP / 2, y - GAP / 2, x + GAP / 2, y + GAP / 2) for x, y in points]
    assert not any(cover(a, b) for a, b in combinations(boxes, 2))
    assert not any(cover(box, mark) for box in boxes for mark in marks)
    assert all(x >= 0 and y >= 0 and r <= AREA[0] and t <= AREA[1] for x, y, r, t in boxes)


def test_a_label_stands_beside_its_point_where_it_is_free_and_a_far_one_is_told() -> None:
    alone, *rest = place_labels(np.array([[100.0, 100.0]] * 12), [SIZE] * 12, AREA, GAP)
    assert alone is not None
    assert (alone.x, alone.y, alone.far) == (104.0, 96.0, False)
    assert any(one is not None and one.far for one in rest)
