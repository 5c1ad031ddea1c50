"""What people of a domain wear: kinds of garments with weights, and palettes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmark.data.synthped.draw import Draw
from benchmark.data.synthped.geometry import Colour

RGB = tuple[int, int, int]

SKIN: dict[RGB, float] = {
    (238, 204, 180): 3, (224, 182, 150): 4, (205, 158, 122): 3,
    (168, 120, 88): 2, (120, 82, 58): 1.5, (84, 56, 42): 1,
}  # fmt: skip
HAIR: dict[RGB, float] = {
    (22, 18, 17): 6, (48, 32, 24): 4, (84, 56, 34): 3,
    (150, 112, 66): 1.5, (196, 164, 108): 0.8, (134, 130, 128): 1, (122, 52, 30): 0.5,
}  # fmt: skip


@dataclass(frozen=True)
class Wardrobe:
    """Garments and colours of a season.

    Attributes:
        uppers: Weights of the kinds of upper garments.
        lowers: Weights of the kinds of lower garments.
        patterns: Weights of the patterns of upper garments.
        upper_colours: Palette of upper garments.
        lower_colours: Palette of lower garments.
        shoe_colours: Palette of shoes.
        accent_colours: Palette of bags, prints, hats and scarves.
        hats: Weights of hats.
        bags: Weights of carried things.
        boots: Share of people in boots.
        scarf: Share of people with a scarf.
        jitter: Standard deviation of a colour about its palette entry, in [0, 1] units.
    """

    uppers: Mapping[str, float]
    lowers: Mapping[str, float]
    patterns: Mapping[str, float]
    upper_colours: Mapping[RGB, float]
    lower_colours: Mapping[RGB, float]
    shoe_colours: Mapping[RGB, float]
    accent_colours: Mapping[RGB, float]
    hats: Mapping[str, float]
    bags: Mapping[str, float]
    boots: float
    scarf: float
    jitter: float


SUMMER = Wardrobe(
    uppers={"tee": 5, "shirt": 2.5, "tank": 1, "jacket": 1, "dress": 0.8},
    lowers={"trousers": 4, "jeans": 2, "shorts": 3, "skirt": 1.2, "wide": 0.8},
    patterns={"plain": 6, "stripes": 1.2, "bars": 0.5, "checks": 0.8, "block": 1, "raglan": 0.8},
    upper_colours={
        (236, 236, 232): 3.5, (30, 30, 34): 3, (128, 130, 134): 1.8, (176, 40, 44): 1.6,
        (44, 78, 148): 1.6, (126, 172, 214): 1.2, (226, 196, 92): 1.1, (70, 124, 78): 1.1,
        (226, 152, 160): 1.1, (228, 128, 62): 0.7, (120, 84, 150): 0.7, (206, 190, 160): 1.2,
    },
    lower_colours={
        (34, 36, 44): 4, (52, 70, 110): 4, (112, 136, 172): 2, (194, 178, 146): 2,
        (122, 122, 122): 1.4, (226, 224, 218): 1.2, (88, 92, 62): 0.9, (140, 60, 60): 0.5,
    },
    shoe_colours={(232, 232, 230): 4, (34, 32, 34): 3, (124, 84, 56): 1.5, (170, 48, 48): 0.6,
                  (70, 96, 150): 0.8},
    accent_colours={(34, 34, 38): 3, (120, 74, 44): 1.4, (160, 40, 48): 1, (48, 74, 130): 1.2,
                    (214, 186, 120): 1, (70, 110, 84): 0.8, (222, 222, 220): 1.2},
    hats={"none": 8, "cap": 1.5, "sunhat": 0.5},
    bags={"none": 5, "backpack": 2.6, "handbag": 2.4},
    boots=0.02, scarf=0.0, jitter=0.05,
)  # fmt: skip

WINTER = Wardrobe(
    uppers={"coat": 3, "puffer": 3, "jacket": 2.2, "hoodie": 2, "shirt": 0.4},
    lowers={"trousers": 4, "jeans": 4, "wide": 1.2, "skirt": 0.5},
    patterns={"plain": 7, "block": 1.2, "checks": 0.8, "raglan": 0.8, "stripes": 0.3},
    upper_colours={
        (28, 28, 32): 3.5, (38, 46, 72): 2.6, (84, 88, 94): 2.2, (82, 84, 58): 1.8,
        (112, 36, 46): 1.4, (166, 138, 100): 1.8, (206, 204, 198): 1.1, (38, 86, 92): 1,
        (96, 66, 48): 1.3, (178, 96, 40): 0.6, (94, 120, 160): 0.9,
    },
    lower_colours={
        (24, 25, 30): 5, (40, 50, 80): 4, (74, 76, 82): 2, (84, 72, 58): 1.3, (120, 110, 96): 0.9,
        (66, 90, 128): 1.3,
    },
    shoe_colours={(26, 25, 27): 5, (94, 62, 40): 2.5, (176, 150, 116): 1, (206, 206, 206): 1.2},
    accent_colours={(30, 30, 34): 3, (150, 34, 44): 1.5, (200, 194, 182): 1.2, (48, 76, 120): 1.2,
                    (206, 160, 60): 0.8, (70, 100, 76): 0.8, (104, 70, 48): 1},
    hats={"none": 4.5, "beanie": 3.5, "cap": 0.8, "hood": 1.2},
    bags={"none": 4, "backpack": 4, "handbag": 2},
    boots=0.45, scarf=0.35, jitter=0.045,
)  # fmt: skip


def dye(draw: Draw, palette: Mapping[RGB, float], jitter: float) -> Colour:
    """Return a colour near an entry of `palette`, in [0, 1]."""
    base = draw.weighted(palette)
    light = draw.normal(0.0, jitter)
    red, green, blue = (
        round(min(0.97, max(0.04, c / 255 + light + draw.normal(0.0, jitter * 0.6))), 6)
        for c in base
    )
    return (red, green, blue)
