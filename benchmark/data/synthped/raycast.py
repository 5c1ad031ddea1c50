"""Which part of a body each ray meets first, in closed form, each part within its own box."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.data.synthped.geometry import Basis, Solid, View, dot, make_basis, to_frame

SUPERSAMPLE = 2
_NOTHING = -1e9
Array = NDArray[np.float64]


class Cone(NamedTuple):
    """A part in its frame: first centre, axis, radii and the constants of its quadratic."""

    au: float
    av: float
    aw: float
    bu: float
    bv: float
    bw: float
    radius_a: float
    radius_b: float
    shrink: float
    side: float
    facing: float
    hem: bool


@dataclass(frozen=True)
class Hits:
    """What the rays of one body met.

    Attributes:
        owner: int16 (h, w); index of the part, -1 for none. Supersampled.
        depth: float64 (h, w); the camera's z, metres.
        x: float64 (w,); the camera's x of each column.
        y: float64 (h,); the camera's y of each row.
        frames: Frame of each part.
        cones: Each part in its frame.
    """

    owner: NDArray[np.int16]
    depth: Array
    x: Array
    y: Array
    frames: list[Basis]
    cones: list[Cone]


def _cone(part: Solid, frame: Basis) -> Cone:
    a, b = to_frame(frame, part.a), to_frame(frame, part.b)
    axis = (b[0] - a[0], b[1] - a[1], b[2] - a[2])
    shrink = part.radius_a - part.radius_b
    side = dot(axis, axis) - shrink * shrink
    if side < 1e-9:  # one sphere holds the other
        if part.radius_b > part.radius_a:
            a = b
        radius = max(part.radius_a, part.radius_b)
        return Cone(*a, 0.0, 0.0, 0.0, radius, radius, 0.0, 1.0, 0.0, False)
    facing = side - axis[2] * axis[2]
    return Cone(*a, *axis, part.radius_a, part.radius_b, shrink, side, facing, part.hem)


def _surface(cone: Cone, frame: Basis, x: Array, y: Array) -> Array:
    """Return how far the surface stands in front of the first centre; NaN where the ray misses.

    With q = du² + dv², s = axis·(du, dv) - shrink·ra, the side lies at
    w = (axis_w·s + sqrt(side·(s² + facing·(ra² - q)))) / facing while 0 < s + w·axis_w < side.
    The hull's front is the farthest of side and spheres. What is linear in x and y is summed from
    a row and a column; the square root of a negative number is NaN, which `fmax` passes over.
    """
    ux, uy, vx, vy, _, _ = frame.plane
    ux_row, vx_row, uy_column, vy_column = ux * x - cone.au, vx * x - cone.av, uy * y, vy * y
    du, dv = ux_row + uy_column, vx_row + vy_column
    rest = cone.radius_a * cone.radius_a - (du * du + dv * dv)
    front: Array = np.sqrt(rest)
    if cone.bu == 0.0 and cone.bv == 0.0 and cone.bw == 0.0:
        return front
    m_row = cone.bu * ux_row + cone.bv * vx_row
    m_column = cone.bu * uy_column + cone.bv * vy_column
    if not cone.hem:
        radii = cone.radius_b * cone.radius_b - cone.radius_a * cone.radius_a
        constant = radii - (cone.bu * cone.bu + cone.bv * cone.bv)
        rest_b = rest + ((2.0 * m_row + constant) + 2.0 * m_column)
        np.fmax(front, np.sqrt(rest_b) + cone.bw, out=front)
    if abs(cone.facing) > 1e-9:
        s = (m_row - cone.shrink * cone.radius_a) + m_column
        root = np.sqrt(s * s + cone.facing * rest)
        w = root * (math.sqrt(cone.side) / cone.facing) + s * (cone.bw / cone.facing)
        along = s + cone.bw * w
        np.fmax(front, w, out=front, where=(along > 0.0) & (along < cone.side))
    return front


def cast(parts: list[Solid], view: View, height: int, width: int) -> Hits:
    """Cast `SUPERSAMPLE`² rays a pixel at the parts of one body.

    Args:
        parts: The body.
        view: Where it stands towards the camera.
        height: Rows of the image.
        width: Columns of the image.

    Returns:
        The part that each ray meets first, and where.
    """
    rows, columns = height * SUPERSAMPLE, width * SUPERSAMPLE
    step = view.pixel / SUPERSAMPLE
    x = view.left + (np.arange(columns, dtype=np.float64) + 0.5) * step
    y = view.top - (np.arange(rows, dtype=np.float64) + 0.5) * step
    depth = np.full((rows, columns), _NOTHING)
    owner = np.full((rows, columns), -1, np.int16)
    rotation = view.rotation()
    known: dict[float, Basis] = {}
    frames, cones = [], []
    for index, part in enumerate(parts):
        if part.depth not in known:
            known[part.depth] = make_basis(rotation, part.depth)
        frame = known[part.depth]
        cone = _cone(part, frame)
        frames.append(frame)
        cones.append(cone)
        grow = max(1.0, part.depth)
        ra, rb = part.radius_a * grow, part.radius_b * grow
        ax, bx = dot(rotation[0], part.a), dot(rotation[0], part.b)
        ay, by = dot(rotation[1], part.a), dot(rotation[1], part.b)
        c0 = max(0, math.floor((min(ax - ra, bx - rb) - view.left) / step))
        c1 = min(columns, math.ceil((max(ax + ra, bx + rb) - view.left) / step) + 1)
        r0 = max(0, math.floor((view.top - max(ay + ra, by + rb)) / step))
        r1 = min(rows, math.ceil((view.top - min(ay - ra, by - rb)) / step) + 1)
        if c0 >= c1 or r0 >= r1:
            continue
        px, py = x[c0:c1], y[r0:r1, None]
        with np.errstate(invalid="ignore"):
            front = _surface(cone, frame, px, py)
        base_row = (cone.aw - frame.plane[4] * px) / frame.reach
        base_column = py * (-frame.plane[5] / frame.reach)
        z = front * (1.0 / frame.reach) + (base_row + base_column)
        box = (slice(r0, r1), slice(c0, c1))
        nearer = z > depth[box]
        np.copyto(depth[box], z, where=nearer)
        np.copyto(owner[box], np.int16(index), where=nearer)
    return Hits(owner, depth, x, y, frames, cones)
