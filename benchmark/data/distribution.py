"""How the images of a data set are spread over its identities and cameras."""

from __future__ import annotations

from collections import Counter
from typing import Any

from benchmark.data.dataset import Dataset
from benchmark.data.label_defects import Labels
from benchmark.data.layout import SPLITS

BINS = (1, 2, 3, 5, 9, 17, 33, 65, 129)
"""First counts of the groups of images per identity; the last group is open."""

MOST_CAMERAS = 30
"""Cameras that are told one by one."""


def spread(labels: Labels) -> dict[str, dict[str, int]]:
    """Return images by camera, and identities by their images, without junk and distractors."""
    people = [label for label in labels if label.is_person]
    cameras = Counter(label.camid for label in people)
    counts = Counter(label.pid for label in people).values()
    groups = Counter(max(first for first in BINS if first <= count) for count in counts)
    return {
        "images_by_camera": _by_camera(cameras),
        "identities_by_images": {_group(first): groups[first] for first in BINS if groups[first]},
    }


def _by_camera(cameras: Counter[int]) -> dict[str, int]:
    """Return images by camera; those of cameras after the first ones are taken together."""
    order = sorted(cameras)
    counts = {str(camid): cameras[camid] for camid in order[:MOST_CAMERAS]}
    rest = order[MOST_CAMERAS:]
    return counts | ({f"{len(rest)} others": sum(cameras[c] for c in rest)} if rest else {})


def dataset_info(dataset: Dataset) -> dict[str, Any]:
    """Return the card of `dataset`, what is published, how its images are spread, its caches."""
    cache, card = dataset.cache, dataset.card()
    spreads = {split: spread(dataset.labels(split)) for split in dataset.present()}
    if not dataset.cameras:
        for one in spreads.values():
            del one["images_by_camera"]
    return {
        **card,
        **({"asked_for_at": dataset.source} if dataset.source else {}),
        **({"folder": str(dataset.root)} if dataset.root is not None else {}),
        "published": {
            split: {"images": c.images, "identities": c.identities, "cameras": c.cameras}
            for split, c in dataset.expected().items()
        },
        "spread": spreads,
        "cache": {
            "folder": str(cache.folder),
            "splits": [split for split in SPLITS if cache.record(split) is not None],
        },
        "warnings": dataset.warnings(),
    }


def _group(first: int) -> str:
    after = next((other for other in BINS if other > first), None)
    if after is None:
        return f"{first} and more"
    return str(first) if after == first + 1 else f"{first}–{after - 1}"
