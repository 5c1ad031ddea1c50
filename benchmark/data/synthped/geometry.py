"""The body's building block, a round cone, and the frame in which a view sees it.

A `Part` is the convex hull of two spheres, flattened along the body's depth. Rays are parallel.
In a frame that undoes the flattening and whose third axis points along the ray, the hull is a
plain round cone and the ray still runs along the third axis, so one closed form fits all parts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

Vector = tuple[float, float, float]
Colour = tuple[float, float, float]


class Role(IntEnum):
    """What a part is, as far as its texture depends on it."""

    PLAIN = 0
    TORSO = 1
    SLEEVE = 2
    HEAD = 3
    LEG = 4
    FOOT = 5
    CLOTH = 6


class Solid(NamedTuple):
    """A round cone of the body, in metres; x to the body's left, y up, z to its front.

    Attributes:
        a: Centre of the first sphere.
        b: Centre of the second sphere.
        radius_a: Radius of the first sphere.
        radius_b: Radius of the second sphere.
        colour: Colour from `a` on.
        role: How it is textured.
        cut: Share of the way from `a` to `b` after which `beyond` replaces `colour`.
        beyond: Colour after the cut.
        depth: Factor on the extent along z.
        hem: Whether the second end is open, as a skirt's is, and not round.
    """

    a: Vector
    b: Vector
    radius_a: float
    radius_b: float
    colour: Colour
    role: Role = Role.PLAIN
    cut: float = 2.0
    beyond: Colour = (0.0, 0.0, 0.0)
    depth: float = 1.0
    hem: bool = False


@dataclass(frozen=True)
class View:
    """Where the camera stands towards one body, and the window it sees.

    Attributes:
        azimuth: Turn of the body about its vertical axis, radians; 0 faces the camera.
        tilt: How far the camera looks down, radians.
        left: Horizontal position of the window's left edge, metres.
        top: Vertical position of the window's top edge, metres.
        pixel: Size of a pixel, metres.
    """

    azimuth: float
    tilt: float
    left: float
    top: float
    pixel: float

    def rotation(self) -> tuple[Vector, Vector, Vector]:
        """Return the rows of the rotation from the body to the camera."""
        c, s = round(math.cos(self.azimuth), 6), round(math.sin(self.azimuth), 6)
        ct, st = round(math.cos(self.tilt), 6), round(math.sin(self.tilt), 6)
        return ((c, 0.0, s), (st * s, ct, -st * c), (-ct * s, st, ct * c))


class Basis(NamedTuple):
    """A frame in which parts of one flattening are round: (u, v, w) = axes · flattened body.

    Attributes:
        axes: Rows u, v, w over the flattened body space; w points against the ray.
        plane: Coefficients of u, v, w on the camera's x and y, row by row.
        reach: Coefficient of w on the camera's z.
        depth: The flattening it undoes.
    """

    axes: tuple[Vector, Vector, Vector]
    plane: tuple[float, float, float, float, float, float]
    reach: float
    depth: float


def dot(a: Vector, b: Vector) -> float:
    """Return the inner product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _unit(a: Vector) -> Vector:
    n = math.sqrt(dot(a, a))
    return (a[0] / n, a[1] / n, a[2] / n)


def make_basis(rotation: tuple[Vector, Vector, Vector], depth: float) -> Basis:
    """Build the frame for parts with the given `depth` factor."""
    # Column j of K maps the camera's axis j into flattened body space.
    kx, ky, kz = ((row[0], row[1], row[2] / depth) for row in rotation)
    w = _unit(kz)
    along = dot(kx, w)
    u = _unit((kx[0] - along * w[0], kx[1] - along * w[1], kx[2] - along * w[2]))
    v = (w[1] * u[2] - w[2] * u[1], w[2] * u[0] - w[0] * u[2], w[0] * u[1] - w[1] * u[0])
    plane = (dot(u, kx), dot(u, ky), dot(v, kx), dot(v, ky), dot(w, kx), dot(w, ky))
    return Basis((u, v, w), plane, dot(w, kz), depth)


def to_frame(frame: Basis, point: Vector) -> Vector:
    """Return the coordinates of a body point in `frame`."""
    flat = (point[0], point[1], point[2] / frame.depth)
    return (dot(frame.axes[0], flat), dot(frame.axes[1], flat), dot(frame.axes[2], flat))
