"""The plan of a SynthPed data set: who is seen by which camera, how often, under which name."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache

from benchmark.data.layout import ImageName
from benchmark.data.synthped.domains import DOMAINS, Domain
from benchmark.data.synthped.draw import Draw

_COUNTS, _SHARES, _TRACKLETS, _EXTRAS, _QUERIES = range(11, 16)
_DISTRACTORS, _JUNK = 100_000, 200_000
DISTRACTOR_PID, JUNK_PID = 0, -1
"""As Market-1501 names them."""


class Kind(IntEnum):
    """What an image shows."""

    PERSON = 0
    JUNK = 1
    EMPTY = 2


@dataclass(frozen=True)
class Shot:
    """One image to render.

    Attributes:
        name: File name.
        pid: Identity as labelled: 0 is a distractor, -1 junk.
        camid: Camera, from 1.
        kind: What the image shows.
        identity: Index of the person who is shown.
        tracklet: Number of the tracklet of this person and camera.
        frame: Number of the frame in the tracklet.
    """

    name: str
    pid: int
    camid: int
    kind: Kind
    identity: int
    tracklet: int
    frame: int


@dataclass(frozen=True)
class Size:
    """How much a data set holds.

    Attributes:
        train_ids: Identities to train on.
        test_ids: Identities to test on.
        train_median: Median of images per training identity.
        test_median: Median of images per test identity.
        sigma: Width of the long tail: standard deviation of the logarithm.
        most: Most images per identity.
        distractors: Gallery images of people who are never queried.
        junk: Gallery images of parts of bodies and of empty ground.
        height: Rows of an image.
        width: Columns of an image.
    """

    train_ids: int
    test_ids: int
    train_median: float
    test_median: float
    sigma: float
    most: int
    distractors: int
    junk: int
    height: int
    width: int


SIZES: dict[str, Size] = {
    "smoke": Size(24, 16, 6.0, 6.5, 0.4, 8, 12, 6, 64, 32),
    "embedded": Size(170, 80, 11.8, 13.0, 0.8, 70, 120, 60, 64, 32),
    "full": Size(751, 750, 13.4, 16.6, 0.8, 72, 2798, 3819, 256, 128),
}

BIAS: dict[str, float] = {
    "fewest_images_per_identity": 2,
    "fewest_images_per_test_identity": 4,
    "share_of_identities_with_a_main_camera": 0.58,
    "least_share_of_the_main_camera": 0.5,
    "most_share_of_the_main_camera": 0.85,
    "mean_frames_per_tracklet": 3.0,
}


@dataclass(frozen=True)
class SplitShots:
    """All images of a data set, split by split, in the order of their names."""

    train: tuple[Shot, ...]
    query: tuple[Shot, ...]
    gallery: tuple[Shot, ...]


def _cameras_of(draw: Draw, domain: Domain, count: int, test: bool) -> dict[int, int]:
    """Share `count` images among cameras: some evenly, some mostly to one."""
    alone = draw.chance(0.06)
    most = max(1, min(domain.cameras, count // 2 if test else count))
    seen = max(draw.integer(2, domain.cameras + 1) for _ in range(2))
    number = 1 if alone else min(most, seen)
    order = draw.shuffled(range(1, domain.cameras + 1))[:number]
    least = 2 if test and number > 1 else 1
    weights = [draw.uniform(0.3, 1.0) for _ in order]
    if number > 1 and draw.chance(BIAS["share_of_identities_with_a_main_camera"]):
        share = draw.uniform(
            BIAS["least_share_of_the_main_camera"], BIAS["most_share_of_the_main_camera"]
        )
        weights[0] = sum(weights[1:]) * share / (1.0 - share)
    images = dict.fromkeys(order, least)
    free, total = count - least * number, sum(weights)
    for camid, weight in zip(order, weights, strict=True):
        images[camid] += int(free * weight / total)
    images[order[0]] += count - sum(images.values())
    return images


def _tracklets(draw: Draw, person: Shot, count: int, taken: set[str]) -> list[Shot]:
    """Cut the `count` images of one person and camera into tracklets of near-duplicates."""
    shots: list[Shot] = []
    tracklet = 0
    while len(shots) < count:
        length, start = 1, draw.integer(0, 99_000)
        while draw.chance(1.0 - 1.0 / BIAS["mean_frames_per_tracklet"]) and length < 8:
            length += 1
        for frame in range(min(length, count - len(shots))):
            number = start + 25 * frame
            box = 1 + draw.integer(0, 4)
            name = ImageName(person.pid, person.camid, 1 + tracklet % 6, number, box)
            while name.stem() in taken:
                name = replace(name, frame=name.frame + 1)
            taken.add(name.stem())
            shots.append(replace(person, name=f"{name.stem()}.jpg", tracklet=tracklet, frame=frame))
        tracklet += 1
    return shots


def _people(domain: Domain, seed: int, size: Size, train: bool) -> list[Shot]:
    first = 1 if train else size.train_ids + 1
    number = size.train_ids if train else size.test_ids
    median = size.train_median if train else size.test_median
    fewest = BIAS["fewest_images_per_identity" if train else "fewest_images_per_test_identity"]
    taken: set[str] = set()
    shots: list[Shot] = []
    for pid in range(first, first + number):
        key = (domain.key, seed, size.train_ids, pid)
        tail = Draw(_COUNTS, *key).log_normal(median, size.sigma)
        count = int(min(size.most, max(fewest, tail)) + 0.5)
        draw = Draw(_TRACKLETS, *key)
        for camid, images in _cameras_of(Draw(_SHARES, *key), domain, count, not train).items():
            person = Shot("", pid, camid, Kind.PERSON, pid, 0, 0)
            shots += _tracklets(draw, person, images, taken)
    return shots


def _extras(domain: Domain, seed: int, size: Size) -> list[Shot]:
    """Plan the distractors (0000) and the junk (-1) of the gallery."""
    taken: set[str] = set()
    shots: list[Shot] = []
    for pid, base, number in (
        (DISTRACTOR_PID, _DISTRACTORS, size.distractors),
        (JUNK_PID, _JUNK, size.junk),
    ):
        index, planned = base, 0
        while planned < number:
            draw = Draw(_EXTRAS, domain.key, seed, index)
            count = 1 if pid == JUNK_PID else min(draw.integer(1, 5), number - planned)
            kind = Kind.PERSON
            if pid == JUNK_PID:
                kind = Kind.EMPTY if draw.chance(0.3) else Kind.JUNK
            person = Shot("", pid, draw.integer(1, domain.cameras + 1), kind, index, 0, 0)
            shots += _tracklets(draw, person, count, taken)
            index, planned = index + 1, planned + count
    return shots


def _queries(shots: list[Shot], domain: Domain, seed: int) -> set[str]:
    """Choose one image of each person and camera, for people whom two cameras saw."""
    seen: dict[int, dict[int, list[Shot]]] = defaultdict(lambda: defaultdict(list))
    for shot in shots:
        seen[shot.pid][shot.camid].append(shot)
    chosen = set()
    for pid, cameras in seen.items():
        if len(cameras) > 1:
            draw = Draw(_QUERIES, domain.key, seed, pid)
            chosen |= {draw.choice(images).name for images in cameras.values()}
    return chosen


@lru_cache(maxsize=8)
def plan_shots(domain: str, size: str, seed: int) -> SplitShots:
    """Plan a data set; renders nothing.

    Args:
        domain: Name of the domain, such as ``synthped-plaza``.
        size: ``smoke``, ``embedded`` or ``full``.
        seed: Seed of the data set.
    """
    place, amount = DOMAINS[domain], SIZES[size]
    test = _people(place, seed, amount, False)
    asked = _queries(test, place, seed)

    def sort(shots: list[Shot]) -> tuple[Shot, ...]:
        return tuple(sorted(shots, key=lambda shot: shot.name))

    return SplitShots(
        sort(_people(place, seed, amount, True)),
        sort([shot for shot in test if shot.name in asked]),
        sort([s for s in test if s.name not in asked] + _extras(place, seed, amount)),
    )
