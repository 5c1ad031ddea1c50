"""Things that stand about in a street, and things that stand in front of a pedestrian."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image, ImageDraw

from benchmark.data.synthped.draw import Draw
from benchmark.data.synthped.wardrobe import RGB

Pen = ImageDraw.ImageDraw
PAINT: tuple[RGB, ...] = (
    (150, 40, 40), (40, 70, 130), (214, 214, 210), (40, 42, 46), (90, 110, 80), (190, 150, 60),
)  # fmt: skip


def _box(pen: Pen, x: int, y: int, w: float, h: float, fill: RGB) -> None:
    """Draw an upright box of `w` x `h` pixels whose foot is centred on (x, y)."""
    pen.rectangle((int(x - w / 2), int(y - h), int(x + w / 2) + 1, y), fill=fill)


def _oval(pen: Pen, x: int, y: int, w: float, h: float, fill: RGB) -> None:
    pen.ellipse((int(x - w / 2), int(y - h / 2), int(x + w / 2) + 1, int(y + h / 2) + 1), fill=fill)


def _tree(pen: Pen, draw: Draw, x: int, y: int, m: float) -> None:
    tall = draw.uniform(2.4, 3.6) * m
    _box(pen, x, y, 0.3 * m, tall, (86, 66, 50))
    for _ in range(9):
        green = (50 + draw.integer(0, 40), 92 + draw.integer(0, 50), 44 + draw.integer(0, 24))
        at = (x + int(draw.normal(0, 0.7) * m), int(y - tall + draw.normal(-0.3, 0.5) * m))
        _oval(pen, *at, 1.5 * m, 1.2 * m, green)


def _bare(pen: Pen, draw: Draw, x: int, y: int, m: float) -> None:
    tall, bark = draw.uniform(2.0, 3.0) * m, (70, 60, 56)
    _box(pen, x, y, 0.25 * m, tall, bark)
    for _ in range(12):
        foot = int(y - tall * draw.uniform(0.5, 1.0))
        tip = (x + int(draw.normal(0, 1.0) * m), foot - int(draw.uniform(0.5, 1.6) * m))
        pen.line((x, foot, *tip), fill=bark, width=max(1, int(0.06 * m)))


def _lamp(pen: Pen, draw: Draw, x: int, y: int, m: float) -> None:
    grey = 60 + draw.integer(0, 60)
    _box(pen, x, y, 0.13 * m, 4.0 * m, (grey, grey, grey + 6))


def _bench(pen: Pen, draw: Draw, x: int, y: int, m: float) -> None:
    wood = draw.choice(((140, 98, 60), (104, 74, 52), (90, 96, 92)))
    for leg in (-0.7, 0.7):
        _box(pen, x + int(leg * m), y, 0.1 * m, 0.45 * m, (50, 50, 52))
    _box(pen, x, y - int(0.42 * m), 1.7 * m, 0.1 * m, wood)
    _box(pen, x, y - int(0.62 * m), 1.7 * m, 0.22 * m, wood)


def _bin(pen: Pen, draw: Draw, x: int, y: int, m: float) -> None:
    _box(pen, x, y, 0.5 * m, 0.9 * m, draw.choice(PAINT))
    _box(pen, x, y - int(0.85 * m), 0.56 * m, 0.1 * m, (40, 40, 42))


def _stall(pen: Pen, draw: Draw, x: int, y: int, m: float) -> None:
    cloth, other = draw.choice(PAINT), (228, 224, 214)
    _box(pen, x, y, 2.2 * m, 1.0 * m, (150, 122, 92))
    for post in (-1.1, 1.1):
        _box(pen, x + int(post * m), y, 0.08 * m, 2.2 * m, (90, 90, 90))
    for i in range(6):
        _box(pen, x + int((i - 2.5) * 0.42 * m), y - int(2.0 * m), 0.42 * m, 0.5 * m,
             cloth if i % 2 else other)  # fmt: skip


def _bollard(pen: Pen, draw: Draw, x: int, y: int, m: float) -> None:
    for i in range(draw.integer(1, 5)):
        _box(pen, x + int(i * 1.3 * m), y, 0.16 * m, 0.8 * m, (64, 64, 68))
        _box(pen, x + int(i * 1.3 * m), y - int(0.6 * m), 0.16 * m, 0.1 * m, (220, 220, 214))


def _bush(pen: Pen, draw: Draw, x: int, y: int, m: float) -> None:
    for _ in range(8):
        green = (60 + draw.integer(0, 40), 100 + draw.integer(0, 40), 56)
        at = (x + int(draw.normal(0, 0.7) * m), y - int(abs(draw.normal(0.3, 0.2)) * m))
        _oval(pen, *at, 0.8 * m, 0.6 * m, green)


def _bicycle(pen: Pen, draw: Draw, x: int, y: int, m: float) -> None:
    line, r = max(1, int(0.06 * m)), int(0.34 * m)
    paint = draw.choice(PAINT)
    for wheel in (-0.5, 0.5):
        cx = x + int(wheel * m)
        pen.ellipse((cx - r, y - 2 * r, cx + r, y), outline=(30, 30, 32), width=line)
    top = y - int(0.9 * m)
    pen.line((x - int(0.5 * m), y - r, x - int(0.1 * m), top + r), fill=paint, width=line)
    pen.line((x - int(0.1 * m), top + r, x + int(0.4 * m), top + r // 2), fill=paint, width=line)
    pen.line((x + int(0.35 * m), top, x + int(0.5 * m), y - r), fill=paint, width=line)


def _car(pen: Pen, draw: Draw, x: int, y: int, m: float) -> None:
    paint = draw.choice(PAINT)
    _oval(pen, x, y, 4.2 * m, 0.4 * m, (50, 50, 54))
    _box(pen, x, y - int(0.25 * m), 4.0 * m, 0.7 * m, paint)
    _box(pen, x, y - int(0.9 * m), 2.3 * m, 0.55 * m, paint)
    _box(pen, x, y - int(0.95 * m), 2.0 * m, 0.42 * m, (70, 84, 96))
    for wheel in (-1.2, 1.2):
        _oval(pen, x + int(wheel * m), y - int(0.28 * m), 0.65 * m, 0.65 * m, (28, 28, 30))


def _drift(pen: Pen, draw: Draw, x: int, y: int, m: float) -> None:
    for _ in range(5):
        white = 214 + draw.integer(0, 26)
        at = (x + int(draw.normal(0, 0.8) * m), y - int(0.1 * m))
        _oval(pen, *at, 1.6 * m, 0.45 * m, (white - 8, white - 3, white))


THINGS: dict[str, Callable[[Pen, Draw, int, int, float], None]] = {
    "tree": _tree, "bare": _bare, "lamp": _lamp, "bench": _bench, "bin": _bin, "stall": _stall,
    "bollard": _bollard, "bush": _bush, "bicycle": _bicycle, "car": _car, "drift": _drift,
}  # fmt: skip


def draw_thing(pen: Pen, draw: Draw, kind: str, x: int, y: int, metre: float) -> None:
    """Draw a thing of the given kind that stands at (x, y), `metre` pixels a metre."""
    THINGS[kind](pen, draw, x, y, metre)


def draw_occluder(
    kind: str, draw: Draw, width: int, height: int
) -> tuple[Image.Image, tuple[float, float, float]]:
    """Return the mask (8 bit) and colour of something in front of the person."""
    scale = 4
    w, h = width * scale, height * scale
    mask = Image.new("L", (w, h), 0)
    pen = ImageDraw.Draw(mask)
    red, green, blue = draw.choice(PAINT)
    if kind == "wall":
        top = h * draw.integer(58, 86) // 100
        pen.rectangle((0, top, w, h), fill=255)
    elif kind == "post":
        x, half = w * draw.integer(10, 90) // 100, w * draw.integer(4, 11) // 100
        pen.rectangle((x - half, 0, x + half, h), fill=255)
    elif kind == "rail":
        top, bar = h * draw.integer(50, 68) // 100, max(2, h // 40)
        pen.rectangle((0, top, w, top + bar), fill=255)
        for x in range(draw.integer(0, w // 4), w, w // 4):
            pen.rectangle((x, top, x + bar // 2, h), fill=255)
        red, green, blue = (86, 90, 96)
    elif kind == "bush":
        level = h * draw.integer(74, 92) // 100
        for _ in range(14):
            x, y, r = draw.integer(0, w), level + draw.integer(0, h // 10), w * 22 // 100
            pen.ellipse((x - r, y - r // 2, x + r, h + r), fill=255)
        red, green, blue = (66, 96, 58)
    else:
        x, half = w * draw.integer(15, 85) // 100, w * draw.integer(14, 24) // 100
        pen.rectangle(
            (x - half, h * draw.integer(66, 80) // 100, x + half, h * 97 // 100), fill=255
        )
    shade = draw.uniform(0.5, 0.9) / 255
    colour = (round(red * shade, 6), round(green * shade, 6), round(blue * shade, 6))
    return mask.resize((width, height), Image.Resampling.BOX), colour
