"""The closed form against a cone made of very many spheres."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmark.data.synthped.geometry import Role, Solid, View
from benchmark.data.synthped.raycast import cast

COLOUR = (0.5, 0.5, 0.5)
coordinate = st.floats(-0.4, 0.4, allow_nan=False)
point = st.tuples(coordinate, coordinate, coordinate)


def spheres(part: Solid, view: View, x: NDArray, y: NDArray) -> NDArray:
    """Depth of the hull as the nearest of 400 ellipsoids, each met by solving its quadratic."""
    rotation = np.array(view.rotation())
    scale = np.diag([1, 1, 1 / part.depth])
    into = scale @ rotation.T
    front = np.full((len(y), len(x)), -np.inf)
    for share in np.linspace(0, 1, 400):
        centre = into @ rotation @ ((1 - share) * np.array(part.a) + share * np.array(part.b))
        radius = (1 - share) * part.radius_a + share * part.radius_b
        start = x[None, :, None] * into[:, 0] + y[:, None, None] * into[:, 1] - centre
        along = into[:, 2]
        a, b = along @ along, start @ along
        c = (start**2).sum(-1) - radius**2
        disc = b * b - a * c
        with np.errstate(invalid="ignore"):
            front = np.fmax(front, (-b + np.sqrt(disc)) / a)
    return front


@settings(max_examples=15)
@example((0.0, 0.0, 0.0), (0.25, 0.0, 0.0), 0.125, 0.25, 1.0, 2.0, 0.0)
@given(
    point, point, st.floats(0.05, 0.3), st.floats(0.05, 0.3), st.floats(0.6, 1.1),
    st.floats(-3.1, 3.1), st.floats(0.0, 0.5),
)  # fmt: skip
def test_round_cone_equals_its_spheres(a, b, radius_a, radius_b, depth, azimuth, tilt) -> None:  # type: ignore[no-untyped-def]
    part = Solid(a, b, radius_a, radius_b, COLOUR, Role.PLAIN, depth=depth)
    view = View(azimuth, tilt, -0.8, 0.8, 0.1)
    hits = cast([part], view, 16, 16)
    expected = spheres(part, view, hits.x, hits.y)
    met = hits.owner >= 0
    rim = np.isfinite(expected) != met
    assert rim.sum() <= 4
    both = met & np.isfinite(expected)
    assert np.abs(hits.depth[both] - expected[both]).max(initial=0.0) < 1.2e-2


def test_the_nearest_part_wins() -> None:
    near = Solid((0, 0, 0.5), (0, 0.1, 0.5), 0.1, 0.1, COLOUR)
    far = Solid((0, 0, -0.5), (0, 0.1, -0.5), 0.3, 0.3, COLOUR)
    front = cast([near, far], View(0.0, 0.0, -0.8, 0.8, 0.1), 16, 16).owner
    back = cast([near, far], View(3.141593, 0.0, -0.8, 0.8, 0.1), 16, 16).owner
    assert front[16, 16] == 0
    assert back[16, 16] == 1
    assert front[0, 0] == -1


def test_a_hem_is_open() -> None:
    skirt = Solid((0, 0.4, 0), (0, -0.3, 0), 0.1, 0.2, COLOUR)
    view = View(0.3, 0.2, -0.8, 0.8, 0.1)
    round_end = (cast([skirt], view, 16, 16).owner >= 0).sum()
    assert 0 < (cast([skirt._replace(hem=True)], view, 16, 16).owner >= 0).sum() < round_end
