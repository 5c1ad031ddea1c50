"""A camera: where it looks, what light it stands in, and what its sensor does to colours."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.data.synthped.domains import Domain
from benchmark.data.synthped.draw import Draw
from benchmark.data.synthped.geometry import Colour
from benchmark.data.synthped.shading import Light

LEVELS = 1024


@lru_cache(maxsize=64)
def tone_curve(gamma: float) -> NDArray[np.uint8]:
    """Return the 8-bit value of each of `LEVELS` light levels."""
    steps = [
        min(255, int(255.0 * round(math.pow(i / (LEVELS - 1), gamma), 6) + 0.5))
        for i in range(LEVELS)
    ]
    return np.array(steps, np.uint8)


@dataclass(frozen=True)
class Camera:
    """A fixed camera of a domain.

    Attributes:
        camid: Number on disk, from 1.
        path: Direction in which most people walk, radians; 0 is towards the camera.
        spread: Standard deviation of their directions, radians.
        both_ways: Share of people who walk the other way.
        tilt: How far it looks down, radians.
        mount: Height above ground, metres.
        horizon: Row of the horizon in its scene, as a share of the height.
        light: The light it stands in.
        balance: Gain of each channel.
        drift: Standard deviation of the exposure between tracklets.
        gamma: Exponent of its tone curve.
        sharpness: Share of pixels that it resolves.
        noise: Standard deviation of its noise, in 1/255.
        quality: JPEG quality of its files.
        occlusion: Share of images with an occluder in front.
        occluder: Kind of this occluder.
        fill: Share of the crop's height that a person of 1.75 m fills.
    """

    camid: int
    path: float
    spread: float
    both_ways: float
    tilt: float
    mount: float
    horizon: float
    light: Light
    balance: Colour
    drift: float
    gamma: float
    sharpness: float
    noise: float
    quality: int
    occlusion: float
    occluder: str
    fill: float

    def develop(self, light: NDArray[np.float64], exposure: float, draw: Draw) -> bytes:
        """Turn light into the bytes of a JPEG file.

        Args:
            light: (H, W, 3), 1 is white.
            exposure: Factor on the light.
            draw: Where the noise comes from.
        """
        height, width = light.shape[:2]
        gain = np.array([b * exposure * (LEVELS - 1) for b in self.balance])
        level = np.minimum(np.maximum(light * gain, 0.0), LEVELS - 1.0)
        picture = Image.fromarray(tone_curve(self.gamma)[level.astype(np.int64)])
        small = (max(2, round(width * self.sharpness)), max(4, round(height * self.sharpness)))
        if small != (width, height):
            picture = picture.resize(small, Image.Resampling.BOX)
        pixels = np.asarray(picture).astype(np.int32)
        strength = int(self.noise * 256 / 104.5 + 0.5)
        grain = (draw.noise(*pixels.shape).astype(np.int32) * strength) >> 8
        noisy = np.minimum(np.maximum(pixels + grain, 0), 255).astype(np.uint8)
        picture = Image.fromarray(noisy)
        if small != (width, height):
            picture = picture.resize((width, height), Image.Resampling.BICUBIC)
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=self.quality, subsampling=0)
        return stream.getvalue()


def sample_camera(draw: Draw, domain: Domain, camid: int) -> Camera:
    """Draw camera `camid` of `domain`."""
    tilt = draw.uniform(*domain.tilt)
    warm = draw.uniform(*domain.warmth)
    gain = draw.uniform(*domain.gain)
    x, y, z = draw.normal(0, 0.8), draw.uniform(0.5, 1.4), draw.uniform(-0.2, 0.9)
    size = math.sqrt(x * x + y * y + z * z)
    sun, sky = draw.uniform(*domain.sun), draw.uniform(*domain.sky)
    red, blue = 1.0 + 0.5 * warm, 1.0 - 0.5 * warm
    return Camera(
        camid=camid,
        path=draw.uniform(-3.141593, 3.141593),
        spread=draw.uniform(*domain.spread),
        both_ways=draw.uniform(0.1, 0.4),
        tilt=tilt,
        mount=round(1.5 + 7.0 * tilt, 6),
        horizon=round(0.36 - 0.55 * tilt, 6),
        light=Light(
            (round(x / size, 6), round(y / size, 6), round(z / size, 6)),
            (round(sun * 1.06, 6), round(sun, 6), round(sun * 0.9, 6)),
            (round(sky * 0.97, 6), round(sky, 6), round(sky * 1.05, 6)),
        ),
        balance=(
            round(gain * red * draw.normal(1, domain.tint), 6),
            round(gain * draw.normal(1, domain.tint * 0.5), 6),
            round(gain * blue * draw.normal(1, domain.tint), 6),
        ),
        drift=draw.uniform(0.03, 0.10),
        gamma=draw.uniform(*domain.gamma),
        sharpness=draw.uniform(*domain.sharpness),
        noise=draw.uniform(*domain.noise),
        quality=draw.integer(*domain.quality),
        occlusion=draw.uniform(*domain.occlusion),
        occluder=draw.choice(("wall", "post", "rail", "bush", "luggage")),
        fill=draw.uniform(0.80, 0.90),
    )
