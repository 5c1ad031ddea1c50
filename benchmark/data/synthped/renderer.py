"""From one line of the plan to the bytes of a JPEG file; any image alone, in any order."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.data.synthped.body import Pose, body_parts
from benchmark.data.synthped.build import Kind, Shot
from benchmark.data.synthped.camera import Camera, sample_camera
from benchmark.data.synthped.clutter import draw_occluder
from benchmark.data.synthped.domains import DOMAINS
from benchmark.data.synthped.draw import Draw
from benchmark.data.synthped.geometry import View
from benchmark.data.synthped.identity import Identity, sample_identity
from benchmark.data.synthped.raycast import cast
from benchmark.data.synthped.scene import CANVAS_HEIGHT, CANVAS_WIDTH, Street, build_street
from benchmark.data.synthped.shading import shade

RENDERER_VERSION = 1
"""Raise it with every change that alters a pixel."""

_IDENTITY, _CAMERA, _STREET, _TRACK, _FRAME, _COMPANY = range(1, 7)
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Recipe:
    """What all images of a rendered data set share.

    Attributes:
        domain: Name of the domain.
        seed: Seed of the data set.
        height: Rows of an image.
        width: Columns of an image.
    """

    domain: str
    seed: int
    height: int
    width: int

    def draw(self, *key: int) -> Draw:
        """Return the random stream of `key` within this data set."""
        return Draw(DOMAINS[self.domain].key, self.seed, *key)

    def person(self, index: int) -> Identity:
        """Return the person of the given index."""
        return _person(self.domain, self.seed, index)

    def camera(self, camid: int) -> tuple[Camera, Street]:
        """Return a camera and its street."""
        return _camera(self.domain, self.seed, camid)


@lru_cache(maxsize=4096)
def _person(name: str, seed: int, index: int) -> Identity:
    domain = DOMAINS[name]
    return sample_identity(Draw(domain.key, seed, _IDENTITY, index), domain.wardrobe)


@lru_cache(maxsize=64)
def _camera(name: str, seed: int, camid: int) -> tuple[Camera, Street]:
    domain = DOMAINS[name]
    camera = sample_camera(Draw(domain.key, seed, _CAMERA, camid), domain, camid)
    return camera, build_street(Draw(domain.key, seed, _STREET, camid), domain, camera)


@dataclass(frozen=True)
class _Moment:
    """Where and how a person is caught."""

    azimuth: float
    pose: Pose
    column: float
    row: float
    zoom: float
    shift_x: float
    shift_y: float
    exposure: float


def _moment(recipe: Recipe, shot: Shot, camera: Camera, street: Street, frame: Draw) -> _Moment:
    """Catch the person: the tracklet decides nearly all, the frame varies it a little."""
    track = recipe.draw(_TRACK, shot.identity, camera.camid, shot.tracklet)
    heading = camera.path + (3.141593 if track.chance(camera.both_ways) else 0.0)
    azimuth = heading + track.normal(0.0, camera.spread) + frame.normal(0.0, 0.10)
    phase = track.uniform(0.0, 6.283185) + 0.55 * shot.frame + frame.normal(0.0, 0.15)
    pace = 0.12 if track.chance(0.12) else track.uniform(0.7, 1.1)
    depth = CANVAS_HEIGHT - street.horizon
    row = street.horizon + depth * track.uniform(0.48, 0.96)
    column = CANVAS_WIDTH * track.uniform(0.08, 0.92)
    side = -1.0 if azimuth % 6.283185 > 3.141593 else 1.0
    return _Moment(
        azimuth=azimuth,
        pose=Pose(phase, pace, track.uniform(0.0, 0.7), track.normal(0.0, 0.012)),
        column=column + side * 7.0 * shot.frame,
        row=row,
        zoom=track.normal(1.0, 0.03) * frame.normal(1.0, 0.025),
        shift_x=track.normal(0.0, 0.02) + frame.normal(0.0, 0.02),
        shift_y=track.normal(0.0, 0.025) + frame.normal(0.0, 0.015),
        exposure=track.normal(1.0, camera.drift) * frame.normal(1.0, 0.015),
    )


def _view(camera: Camera, moment: _Moment, recipe: Recipe, shot: Shot, draw: Draw) -> View:
    span = 1.78 / camera.fill * moment.zoom
    shift_x, shift_y = moment.shift_x, moment.shift_y
    if shot.kind is Kind.JUNK:  # a detector's false crop: a part of a body, or none
        span *= draw.uniform(0.45, 1.0)
        shift_x += draw.choice((-1.0, 1.0)) * draw.uniform(0.25, 0.6)
        shift_y += draw.uniform(-0.9, 0.5)
    pixel = span / recipe.height
    left = -0.5 * pixel * recipe.width + shift_x
    return View(moment.azimuth, camera.tilt, left, 0.9 + 0.5 * span + shift_y - 0.02, pixel)


def _shadow(view: View, recipe: Recipe, camera: Camera) -> Array:
    """Return the share of light (H, W, 1) that the person's shadow leaves on the ground."""
    x = view.left + (np.arange(recipe.width) + 0.5) * view.pixel
    y = view.top - (np.arange(recipe.height) + 0.5) * view.pixel
    lx, _, _ = camera.light.towards
    flat = 0.10 + 0.4 * abs(view.tilt)
    u = (x + 0.22 * lx) / 0.40
    v = y / flat
    rest = np.maximum(1.0 - (u * u + (v * v)[:, None]), 0.0)
    shadow: Array = (1.0 - 0.45 * rest)[..., None]
    return shadow


def _layer(
    recipe: Recipe, person: Identity, pose: Pose, view: View, camera: Camera
) -> tuple[Array, Array]:
    parts = body_parts(person, pose)
    hits = cast(parts, view, recipe.height, recipe.width)
    return shade(person, parts, hits, view, camera.light)


def _over(picture: Array, layer: tuple[Array, Array]) -> Array:
    colour, cover = layer
    return picture * (1.0 - cover)[..., None] + colour


def render_jpeg(recipe: Recipe, shot: Shot) -> bytes:
    """Render one image.

    Args:
        recipe: The data set.
        shot: The line of its plan.

    Returns:
        The bytes of its JPEG file.
    """
    camera, street = recipe.camera(shot.camid)
    frame = recipe.draw(_FRAME, shot.identity, shot.camid, shot.tracklet, shot.frame)
    moment = _moment(recipe, shot, camera, street, frame)
    view = _view(camera, moment, recipe, shot, frame)
    window = (view.left, view.top, view.pixel * recipe.height)
    size = (recipe.width, recipe.height)
    ground = street.crop((moment.column, moment.row), window, size)
    picture = np.asarray(ground).astype(np.float64) * (1.0 / 255.0)
    if shot.kind is not Kind.EMPTY:
        picture = picture * _shadow(view, recipe, camera)
        layers = [_layer(recipe, recipe.person(shot.identity), moment.pose, view, camera)]
        if frame.chance(DOMAINS[recipe.domain].company):
            other = recipe.draw(_COMPANY, shot.identity, shot.camid, shot.tracklet)
            pose = Pose(other.uniform(0.0, 6.283185), 0.9, 0.1, 0.0)
            aside = other.choice((-1.0, 1.0)) * other.uniform(0.38, 0.6)
            beside = View(
                moment.azimuth + other.normal(0.0, 0.3), view.tilt, view.left + aside,
                view.top - other.uniform(-0.1, 0.1), view.pixel,
            )  # fmt: skip
            company = _layer(recipe, recipe.person(900_000 + shot.identity), pose, beside, camera)
            layers.insert(0 if other.chance(0.75) else 1, company)
        for layer in layers:
            picture = _over(picture, layer)
    if frame.chance(camera.occlusion):
        mask, colour = draw_occluder(camera.occluder, frame, recipe.width, recipe.height)
        cover = np.asarray(mask).astype(np.float64) * (1.0 / 255.0)
        picture = _over(picture, (cover[..., None] * np.array(colour), cover))
    return camera.develop(picture, moment.exposure, frame)


def decode(data: bytes) -> NDArray[np.uint8]:
    """Return the pixels (H, W, 3) that a reader of the file sees."""
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))
