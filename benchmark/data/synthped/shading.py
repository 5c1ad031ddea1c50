"""Colour of what the rays met: texture fixed to the body, a sun and a sky."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.data.synthped.geometry import Colour, Role, Solid, Vector, View
from benchmark.data.synthped.identity import Identity
from benchmark.data.synthped.raycast import SUPERSAMPLE, Hits

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Index = NDArray[np.intp]


@dataclass(frozen=True)
class Light:
    """Light of a camera's scene, in the camera's axes.

    Attributes:
        towards: Unit vector towards the sun.
        sun: Colour of the sun's light.
        sky: Colour of the light from everywhere.
    """

    towards: Vector
    sun: Colour
    sky: Colour


@dataclass(frozen=True)
class _Spots:
    """Visible points: their part, place on it and normal."""

    role: NDArray[np.int64]
    along: Array
    x: Array
    y: Array
    z: Array
    rest_y: Array
    normal: tuple[Array, Array, Array]


def _spots(parts: list[Solid], hits: Hits, view: View, rows: Index, columns: Index) -> _Spots:
    index = hits.owner[rows, columns].astype(np.int64)
    x, y, z = hits.x[columns], hits.y[rows], hits.depth[rows, columns]
    table = np.array(
        [
            (*cone[:6], cone.side, cone.shrink * cone.radius_a, *frame.plane, frame.reach,
             *part.a, float(part.role))
            for part, cone, frame in zip(parts, hits.cones, hits.frames, strict=True)
        ]
    )  # fmt: skip
    (au, av, aw, bu, bv, bw, side, lag, ux, uy, vx, vy, wx, wy, wz, px, py, pz, role) = (
        column[index] for column in table.T.copy()
    )
    u, v, w = ux * x + uy * y - au, vx * x + vy * y - av, wx * x + wy * y + wz * z - aw
    y_axis = np.minimum(np.maximum(bu * u + bv * v + bw * w - lag, 0.0), side)
    nu, nv, nw = side * u - bu * y_axis, side * v - bv * y_axis, side * w - bw * y_axis
    nx, ny, nz = ux * nu + vx * nv + wx * nw, uy * nu + vy * nv + wy * nw, wz * nw
    size = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12
    m = view.rotation()
    bx = m[0][0] * x + m[1][0] * y + m[2][0] * z - px
    by = m[0][1] * x + m[1][1] * y + m[2][1] * z
    bz = m[0][2] * x + m[1][2] * y + m[2][2] * z - pz
    normal = (nx / size, ny / size, nz / size)
    return _Spots(role.astype(np.int64), y_axis / side, bx, by - py, bz, by, normal)


def _odd(values: Array, period: float) -> Mask:
    """Return which of `values` lie in the second half of their repeat."""
    cells = values * (2.0 / period)
    half: Mask = (np.floor(cells).astype(np.int64) & 1).astype(bool)
    return half


def _stripe(person: Identity, spots: _Spots, view: View, colour: Array) -> None:
    """Paint the stripe down the sides of the legs."""
    if person.side_stripe:
        m = view.rotation()
        nx, ny, nz = spots.normal
        aside = m[0][0] * nx + m[1][0] * ny + m[2][0] * nz
        _paint(colour, (spots.role == Role.LEG) & (abs(aside) > 0.92), person.mark)


def _paint(colour: Array, mask: Mask, paint: Colour) -> None:
    colour[mask] = paint


def _garment(person: Identity, spots: _Spots, colour: Array) -> None:
    """Paint pattern and marks of the upper garment, front and back apart."""
    torso = spots.role == Role.TORSO
    cloth = torso | ((spots.role == Role.SLEEVE) & (spots.along < person.sleeve * 2))
    height = spots.rest_y / person.height
    x, front = spots.x, spots.z > 0.0
    second, period = person.upper_second, person.period
    if person.pattern == "stripes":
        _paint(colour, torso & _odd(height, period), second)
    elif person.pattern == "bars":
        _paint(colour, torso & _odd(x + 4.0, period), second)
    elif person.pattern == "checks":
        _paint(colour, torso & (_odd(height, period) ^ _odd(x + 4.0, period)), second)
    elif person.pattern == "block":
        _paint(colour, cloth & (height > 1.27) & (height < 2.0), second)
    if person.upper == "puffer":
        seam = (torso | cloth) & (np.floor(height * 14.0) * (1 / 14.0) + 0.016 > height)
        colour[seam] = colour[seam] * 0.7
    wide, mark = abs(x), person.mark
    if person.front == "print":
        _paint(colour, torso & front & (wide < 0.085) & (height > 1.17) & (height < 1.36), mark)
    elif person.front == "badge":
        badge = torso & front & (x > 0.03) & (x < 0.10) & (height > 1.29) & (height < 1.37)
        _paint(colour, badge, mark)
    elif person.front == "zip":
        _paint(colour, torso & front & (wide < 0.014), mark)
    elif person.front == "open":
        coat = torso | (spots.role == Role.CLOTH)
        open_ = coat & front & (wide < 0.02 + 0.07 * (height - 0.9)) & (height < 1.47)
        _paint(colour, open_ & (height > 0.97), second)
        _paint(colour, open_ & (height <= 0.97), person.lower_colour)
    if person.back == "print":
        _paint(colour, torso & ~front & (wide < 0.1) & (height > 1.2) & (height < 1.38), mark)
    elif person.back == "band":
        _paint(colour, torso & ~front & (height > 1.16) & (height < 1.22), mark)


def _details(person: Identity, spots: _Spots, colour: Array) -> None:
    """Paint hair, face, straps and soles."""
    head = spots.role == Role.HEAD
    y, z = spots.y / person.height, spots.z
    if person.hair_style != "bald":
        _paint(colour, head & ((z < 1.1 * y - 0.075) | (y > 0.115)), person.hair)
    eyes = head & (z > 0.05) & (abs(abs(spots.x) - 0.034) < 0.012) & (abs(y - 0.045) < 0.009)
    _paint(colour, eyes, (0.12, 0.09, 0.08))
    torso = spots.role == Role.TORSO
    height = spots.rest_y / person.height
    if person.bag == "backpack":
        strap = torso & (z > -0.05) & (abs(abs(spots.x) - 0.105) < 0.018) & (height > 1.15)
        _paint(colour, strap, person.bag_colour)
    elif person.bag == "handbag":
        line = 0.55 * (height - 1.2) * -person.bag_side
        _paint(colour, torso & (abs(spots.x - line) < 0.016) & (height > 0.95), person.bag_colour)
    foot = (spots.role == Role.FOOT) & (spots.normal[1] < -0.35)
    _paint(colour, foot, (0.75, 0.74, 0.72) if not person.boots else (0.12, 0.11, 0.1))


def shade(
    person: Identity, parts: list[Solid], hits: Hits, view: View, light: Light
) -> tuple[Array, Array]:
    """Colour the body that `hits` describes.

    Returns:
        Colour times coverage (H, W, 3) and coverage (H, W), both float64 in about [0, 1],
        averaged over the rays of each pixel.
    """
    rows, columns = np.nonzero(hits.owner >= 0)
    picture = np.zeros((*hits.owner.shape, 4))
    if rows.size:
        spots = _spots(parts, hits, view, rows, columns)
        index = hits.owner[rows, columns]
        colour = np.array([part.colour for part in parts])[index]
        cut = np.array([part.cut for part in parts])[index]
        beyond = np.array([part.beyond for part in parts])[index]
        _garment(person, spots, colour)
        _stripe(person, spots, view, colour)
        past = spots.along > cut
        colour[past] = beyond[past]
        _details(person, spots, colour)
        nx, ny, nz = spots.normal
        lx, ly, lz = light.towards
        sun = np.maximum(nx * lx + ny * ly + nz * lz, 0.0)
        sky = 0.62 + 0.22 * ny + 0.16 * nz
        for channel in range(3):
            lit = light.sky[channel] * sky + light.sun[channel] * sun
            picture[rows, columns, channel] = colour[:, channel] * lit
        picture[rows, columns, 3] = 1.0
    quarter = picture[::SUPERSAMPLE, ::SUPERSAMPLE] + picture[1::SUPERSAMPLE, ::SUPERSAMPLE]
    quarter = quarter + picture[::SUPERSAMPLE, 1::SUPERSAMPLE]
    quarter = (quarter + picture[1::SUPERSAMPLE, 1::SUPERSAMPLE]) * 0.25
    return quarter[..., :3], quarter[..., 3]
