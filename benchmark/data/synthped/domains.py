"""The two domains: where they are, what season it is, and what their cameras are like."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.data.synthped.wardrobe import RGB, SUMMER, WINTER, Wardrobe

Range = tuple[float, float]


@dataclass(frozen=True)
class Domain:
    """A place and a season.

    Attributes:
        name: Registry name.
        key: Integer that enters every seed.
        title: Human name.
        description: One sentence for the card.
        cameras: Number of cameras.
        wardrobe: What people wear.
        ground: Colours of paving, road or snow.
        facade: Colours of buildings.
        clutter: Weights of the things that stand about.
        snow: Share of the ground under snow.
        tilt: Range of the cameras' tilt, radians.
        gain: Range of the cameras' exposure.
        gamma: Range of the cameras' gamma.
        warmth: Range of the red-to-blue balance; positive is warm.
        tint: Standard deviation of each channel's white balance.
        sun: Range of the sun's strength.
        sky: Range of the sky's strength.
        sharpness: Range of the share of pixels that the sensor resolves.
        noise: Range of the sensor's noise, in 1/255.
        quality: Range of the JPEG quality.
        occlusion: Range of the cameras' share of occluded images.
        company: Share of images with another pedestrian beside.
        spread: Range of the spread of viewpoints about the camera's path, radians.
    """

    name: str
    key: int
    title: str
    description: str
    cameras: int
    wardrobe: Wardrobe
    ground: tuple[RGB, ...]
    facade: tuple[RGB, ...]
    clutter: dict[str, float]
    snow: float
    tilt: Range
    gain: Range
    gamma: Range
    warmth: Range
    tint: float
    sun: Range
    sky: Range
    sharpness: Range
    noise: Range
    quality: tuple[int, int]
    occlusion: Range
    company: float
    spread: Range


PLAZA = Domain(
    name="synthped-plaza",
    key=1,
    title="SynthPed Plaza",
    description="A paved square in summer: light clothes, low sun, six cameras near eye level.",
    cameras=6,
    wardrobe=SUMMER,
    ground=((196, 186, 170), (170, 166, 160), (186, 160, 136), (150, 148, 146), (206, 200, 186)),
    facade=((204, 180, 146), (178, 120, 96), (216, 208, 194), (150, 160, 168), (190, 158, 120)),
    clutter={"tree": 3, "lamp": 2, "bench": 2, "bin": 1.5, "stall": 1.5, "bollard": 2, "bush": 1.5},
    snow=0.0,
    tilt=(0.05, 0.22),
    gain=(0.82, 1.12),
    gamma=(0.88, 1.14),
    warmth=(-0.06, 0.16),
    tint=0.04,
    sun=(0.25, 0.55),
    sky=(0.50, 0.70),
    sharpness=(0.7, 1.0),
    noise=(1.5, 5.0),
    quality=(60, 92),
    occlusion=(0.01, 0.10),
    company=0.04,
    spread=(0.2, 0.5),
)

CAMPUS = Domain(
    name="synthped-campus",
    key=2,
    title="SynthPed Campus",
    description="A campus in winter: dark heavy clothes, flat cold light, eight high cameras.",
    cameras=8,
    wardrobe=WINTER,
    ground=((120, 122, 128), (146, 148, 152), (104, 100, 98), (172, 176, 182), (134, 128, 120)),
    facade=((132, 78, 62), (110, 114, 122), (158, 152, 146), (84, 90, 104), (142, 104, 84)),
    clutter={"bare": 3, "lamp": 2, "bicycle": 2, "bin": 1, "car": 2, "bollard": 1, "drift": 2},
    snow=0.45,
    tilt=(0.12, 0.34),
    gain=(0.74, 1.06),
    gamma=(0.88, 1.20),
    warmth=(-0.18, 0.04),
    tint=0.05,
    sun=(0.05, 0.30),
    sky=(0.65, 0.88),
    sharpness=(0.65, 0.95),
    noise=(2.0, 6.0),
    quality=(50, 88),
    occlusion=(0.02, 0.12),
    company=0.05,
    spread=(0.2, 0.6),
)

DOMAINS: dict[str, Domain] = {domain.name: domain for domain in (PLAZA, CAMPUS)}
