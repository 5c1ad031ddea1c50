"""Who a pedestrian is: everything that stays the same from camera to camera."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.data.synthped.draw import Draw
from benchmark.data.synthped.geometry import Colour
from benchmark.data.synthped.wardrobe import HAIR, SKIN, Wardrobe, dye

LONG_SLEEVES = {"shirt", "jacket", "coat", "puffer", "hoodie"}
BARE_LEGS = {"shorts", "skirt"}


@dataclass(frozen=True)
class Identity:
    """A person: build, face, hair, garments with their prints, and what is carried.

    Attributes:
        height: Factor on a stature of 1.75 m.
        girth: Factor on all radii.
        shoulders: Factor on the width of the shoulders.
        hips: Factor on the width of the hips.
        stride: Swing of the thigh at full step, radians.
        stoop: Forward shift of the head, metres.
        skin: Colour of the skin.
        hair: Colour of the hair.
        hair_style: ``bald``, ``short``, ``bob``, ``long``, ``bun`` or ``tail``.
        upper: Kind of the upper garment.
        upper_colour: Its main colour.
        upper_second: Its second colour, of pattern or inner shirt.
        sleeve: Share of the arm that is covered.
        pattern: Pattern of the upper garment.
        period: Length of one repeat of the pattern, metres.
        front: Mark on the chest: ``none``, ``print``, ``badge``, ``zip`` or ``open``.
        back: Mark on the back: ``none``, ``print`` or ``band``.
        mark: Colour of these marks.
        lower: Kind of the lower garment.
        lower_colour: Its colour.
        hem: Share of the leg that it covers, hip to ankle.
        side_stripe: Whether the legs carry a stripe in the mark's colour.
        shoe: Colour of the shoes.
        boots: Whether they are boots.
        hat: ``none``, ``cap``, ``sunhat``, ``beanie`` or ``hood``.
        hat_colour: Colour of the hat.
        scarf: Colour of the scarf, if any.
        bag: ``none``, ``backpack`` or ``handbag``.
        bag_colour: Colour of the bag.
        bag_side: Side of the handbag, 1 is left.
    """

    height: float
    girth: float
    shoulders: float
    hips: float
    stride: float
    stoop: float
    skin: Colour
    hair: Colour
    hair_style: str
    upper: str
    upper_colour: Colour
    upper_second: Colour
    sleeve: float
    pattern: str
    period: float
    front: str
    back: str
    mark: Colour
    lower: str
    lower_colour: Colour
    hem: float
    side_stripe: bool
    shoe: Colour
    boots: bool
    hat: str
    hat_colour: Colour
    scarf: Colour | None
    bag: str
    bag_colour: Colour
    bag_side: int


def _front(draw: Draw, upper: str) -> str:
    if upper in ("jacket", "coat"):
        return draw.weighted({"open": 4, "zip": 3, "none": 3})
    if upper in ("puffer", "hoodie"):
        return draw.weighted({"zip": 3, "badge": 1.5, "print": 1.5, "open": 1, "none": 3})
    if upper == "dress":
        return "none"
    return draw.weighted({"print": 2.5, "badge": 1.2, "none": 5})


def _hem(draw: Draw, lower: str) -> float:
    if lower == "shorts":
        return draw.uniform(0.32, 0.5)
    if lower == "skirt":
        return draw.uniform(0.35, 0.75)
    return 1.0


def sample_identity(draw: Draw, wardrobe: Wardrobe) -> Identity:
    """Draw a person who dresses from `wardrobe`."""
    slight = draw.chance(0.48)
    upper = draw.weighted(wardrobe.uppers)
    lower = "skirt" if upper == "dress" else draw.weighted(wardrobe.lowers)
    jitter = wardrobe.jitter
    upper_colour = dye(draw, wardrobe.upper_colours, jitter)
    pattern = draw.weighted(wardrobe.patterns)
    sleeve = 1.0 if upper in LONG_SLEEVES else draw.uniform(0.28, 0.5)
    if upper == "tank" or (upper == "dress" and draw.chance(0.5)):
        sleeve = 0.0
    if upper == "shirt" and draw.chance(0.3):
        sleeve = 0.55
    long_hair = {"short": 1.0, "bob": 2.5, "long": 3.5, "bun": 1.2, "tail": 2.0}
    short_hair = {"short": 7.0, "bald": 0.8, "bob": 0.6, "tail": 0.4}
    lower_colour = dye(draw, wardrobe.lower_colours, jitter)
    if upper == "dress":
        lower_colour = upper_colour
    return Identity(
        height=draw.normal(0.95 if slight else 1.02, 0.035),
        girth=round(min(1.4, max(0.78, draw.normal(0.95 if slight else 1.03, 0.11))), 6),
        shoulders=draw.normal(0.93 if slight else 1.05, 0.04),
        hips=draw.normal(1.04 if slight else 0.96, 0.04),
        stride=draw.uniform(0.28, 0.5),
        stoop=draw.uniform(0.0, 0.05),
        skin=dye(draw, SKIN, 0.015),
        hair=dye(draw, HAIR, 0.02),
        hair_style=draw.weighted(long_hair if slight else short_hair),
        upper=upper,
        upper_colour=upper_colour,
        upper_second=dye(draw, wardrobe.upper_colours, jitter),
        sleeve=sleeve,
        pattern=pattern,
        period=draw.uniform(0.09, 0.22),
        front=_front(draw, upper),
        back=draw.weighted({"none": 6, "print": 1.5, "band": 1}),
        mark=dye(draw, wardrobe.accent_colours, jitter),
        lower=lower,
        lower_colour=lower_colour,
        hem=_hem(draw, lower),
        side_stripe=lower in ("trousers", "shorts") and draw.chance(0.12),
        shoe=dye(draw, wardrobe.shoe_colours, jitter),
        boots=draw.chance(wardrobe.boots),
        hat=draw.weighted(wardrobe.hats),
        hat_colour=dye(draw, wardrobe.accent_colours, jitter),
        scarf=dye(draw, wardrobe.accent_colours, jitter) if draw.chance(wardrobe.scarf) else None,
        bag=draw.weighted(wardrobe.bags),
        bag_colour=dye(draw, wardrobe.accent_colours, jitter),
        bag_side=draw.choice((-1, 1)),
    )
