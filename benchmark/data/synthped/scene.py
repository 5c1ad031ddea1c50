"""The street that a camera sees: buildings, perspective ground and clutter, always the same.

A crop about a pedestrian shows the part of the street where that person stands, so the background
tells cameras apart and is a shortcut within a camera, and no help across cameras.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from benchmark.data.synthped.camera import Camera
from benchmark.data.synthped.clutter import draw_thing
from benchmark.data.synthped.domains import Domain
from benchmark.data.synthped.draw import Draw
from benchmark.data.synthped.wardrobe import RGB

CANVAS_WIDTH, CANVAS_HEIGHT = 960, 540


@dataclass(frozen=True)
class Street:
    """A camera's street.

    Attributes:
        canvas: RGB picture of `CANVAS_WIDTH` x `CANVAS_HEIGHT`, without pedestrians.
        horizon: Row of the horizon.
        mount: Height of the camera, metres.
    """

    canvas: Image.Image
    horizon: int
    mount: float

    def pixels_per_metre(self, row: float) -> float:
        """Return the scale of things that stand on the ground at `row`."""
        return (row - self.horizon) / self.mount

    def crop(
        self, foot: tuple[float, float], window: tuple[float, float, float], size: tuple[int, int]
    ) -> Image.Image:
        """Return the street about a person.

        Args:
            foot: Column and row on the canvas where the person stands.
            window: Left and top of the crop from there, and its height, in metres.
            size: Width and height of the result.
        """
        scale = self.pixels_per_metre(foot[1])
        height = min(window[2] * scale, CANVAS_HEIGHT - 1.0)
        width = height * size[0] / size[1]
        left = min(max(foot[0] + window[0] * scale, 0.0), CANVAS_WIDTH - width)
        top = min(max(foot[1] - window[1] * scale, 0.0), CANVAS_HEIGHT - height)
        box = (round(left, 3), round(top, 3), round(left + width, 3), round(top + height, 3))
        return self.canvas.resize(size, Image.Resampling.BILINEAR, box=box)


def mix(colour: RGB, other: RGB, share: float) -> RGB:
    """Return `colour` moved towards `other` by `share`, in whole steps."""
    red, green, blue = (int(a + (b - a) * share + 0.5) for a, b in zip(colour, other, strict=True))
    return (red, green, blue)


def _buildings(pen: ImageDraw.ImageDraw, draw: Draw, domain: Domain, horizon: int) -> None:
    left = -draw.integer(0, 80)
    while left < CANVAS_WIDTH:
        width, base = draw.integer(120, 300), horizon + draw.integer(0, 16)
        wall = mix(draw.choice(domain.facade), (128, 128, 128), draw.uniform(0.0, 0.35))
        pen.rectangle((left, 0, left + width, base), fill=wall)
        pen.line((left, 0, left, base), fill=mix(wall, (0, 0, 0), 0.4), width=3)
        step_x, step_y = draw.integer(26, 48), draw.integer(34, 56)
        glass = draw.choice(((60, 72, 86), (44, 48, 54), (150, 170, 186), (214, 196, 140)))
        for x in range(left + 10, left + width - 16, step_x):
            for y in range(-8, base - 44, step_y):
                pen.rectangle((x, y, x + step_x - 12, y + step_y - 16), fill=glass)
        if draw.chance(0.6):
            front = mix(glass, wall, 0.3)
            pen.rectangle((left + 8, base - 34, left + width - 10, base - 4), fill=front)
            sign = draw.choice(((170, 50, 50), (50, 90, 150), (230, 220, 200), (60, 120, 80)))
            pen.rectangle((left + 8, base - 46, left + width - 10, base - 35), fill=sign)
        left += width


def _paving(pen: ImageDraw.ImageDraw, draw: Draw, domain: Domain, horizon: int) -> None:
    ground = draw.choice(domain.ground)
    for row in range(horizon, CANVAS_HEIGHT):
        near = (row - horizon) / (CANVAS_HEIGHT - horizon)
        pen.line(
            (0, row, CANVAS_WIDTH, row), fill=mix(mix(ground, (150, 150, 156), 0.3), ground, near)
        )
    vanish = draw.integer(-200, CANVAS_WIDTH + 200)
    depth = CANVAS_HEIGHT - horizon
    joint = mix(ground, (0, 0, 0), draw.uniform(0.08, 0.3))
    band = draw.choice(domain.ground)
    start, width = draw.integer(-400, 900), draw.integer(200, 900)
    pen.polygon(
        [(vanish, horizon), (start, CANVAS_HEIGHT), (start + width, CANVAS_HEIGHT)], fill=band
    )
    spacing = draw.integer(60, 200)
    if draw.chance(0.75):
        for x in range(-2400, CANVAS_WIDTH + 2400, spacing):
            pen.line((vanish, horizon, x, CANVAS_HEIGHT), fill=joint, width=1)
        for step in range(1, 26):
            row = horizon + int(depth * 1.6 / step)
            pen.line((0, row, CANVAS_WIDTH, row), fill=joint, width=1 + (step < 6))
    if draw.chance(0.4):
        row, stripe = horizon + depth * draw.integer(25, 80) // 100, draw.integer(40, 90)
        for x in range(-100, CANVAS_WIDTH, 2 * stripe):
            pen.polygon(
                [(x, row), (x + stripe, row), (x + stripe + 30, row + 36), (x + 30, row + 36)],
                fill=mix((226, 226, 222), ground, 0.25),
            )


def _snow(canvas: Image.Image, draw: Draw, share: float, horizon: int) -> None:
    """Lay patches of snow over the ground."""
    cells = ((draw.noise(16, 10) // 2) + 128).astype(np.uint8)
    patches = Image.fromarray(cells).resize((CANVAS_WIDTH, CANVAS_HEIGHT), Image.Resampling.BICUBIC)
    limit = 128 + int((0.5 - share) * 160)
    mask = patches.point([min(255, max(0, (v - limit) * 12)) for v in range(256)])
    mask.paste(0, (0, 0, CANVAS_WIDTH, horizon))
    canvas.paste((222, 228, 236), (0, 0), mask)


def _grain(canvas: Image.Image, draw: Draw) -> Image.Image:
    """Add blotches and grain, so that no surface is flat."""
    total = np.asarray(canvas).astype(np.int32)
    for columns, rows, strength in ((24, 14, 10), (120, 68, 7), (CANVAS_WIDTH, CANVAS_HEIGHT, 4)):
        cells = ((draw.noise(rows, columns) // 2) + 128).astype(np.uint8)
        field = Image.fromarray(cells).resize(canvas.size, Image.Resampling.BILINEAR)
        total += ((np.asarray(field).astype(np.int32) - 128) * strength // 52)[..., None]
    return Image.fromarray(np.minimum(np.maximum(total, 0), 255).astype(np.uint8))


def build_street(draw: Draw, domain: Domain, camera: Camera) -> Street:
    """Build the street of `camera`."""
    canvas = Image.new("RGB", (CANVAS_WIDTH, CANVAS_HEIGHT), (198, 208, 220))
    pen = ImageDraw.Draw(canvas)
    horizon = int(CANVAS_HEIGHT * camera.horizon)
    _buildings(pen, draw, domain, horizon)
    _paving(pen, draw, domain, horizon)
    if domain.snow:
        _snow(canvas, draw, domain.snow * draw.uniform(0.6, 1.4), horizon)
    places = sorted(
        horizon + 14 + draw.integer(0, 1000) ** 2 * (CANVAS_HEIGHT - horizon) // 1_400_000
        for _ in range(draw.integer(12, 22))
    )
    for row in places:
        metre = (row - horizon) / camera.mount
        draw_thing(
            pen, draw, draw.weighted(domain.clutter), draw.integer(0, CANVAS_WIDTH), row, metre
        )
    return Street(_grain(canvas, draw), horizon, camera.mount)
