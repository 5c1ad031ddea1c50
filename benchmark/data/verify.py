"""Checking a data set: counts, files, pixels, and leaks between its splits."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchmark.core.errors import DataError
from benchmark.core.image_set import ImageSet
from benchmark.core.listing import listed
from benchmark.data.dataset import Dataset
from benchmark.data.image_file import HINT
from benchmark.data.image_label import ImageLabel
from benchmark.data.layout import SPLITS, Split

Labels = Sequence[ImageLabel]
TEST_SPLITS: tuple[Split, ...] = ("query", "gallery")


@dataclass(frozen=True)
class Defect:
    """One result of a check.

    Attributes:
        level: ``info``, ``warning``, or ``error`` when the data should not be used.
        check: Which check found it.
        message: What was found.
        hint: What to do about it; empty for ``info``.
    """

    level: Literal["info", "warning", "error"]
    check: str
    message: str
    hint: str = ""


def verify_dataset(dataset: Dataset) -> list[Defect]:
    """Check all three splits of `dataset`; files are read again, whatever is remembered of them.

    Returns:
        Defects; the data is sound when none has the level ``error``.
    """
    try:
        present = dataset.present()
    except DataError as error:
        return [Defect("error", "root", error.what, error.hint)]
    findings: list[Defect] = []
    for split in SPLITS:
        if split not in present:
            message = f"there is no {split} split"
            findings.append(Defect("warning", "split", message, "nothing, if that is meant"))
    labels: dict[Split, Labels] = {}
    for split in present:
        findings += _told(_unreadable, dataset, split)
        findings += _told(_counts, dataset, split, labels)
    findings += _told(_files, dataset)
    sound = dataset.without_unreadable()
    images: dict[Split, ImageSet] = {}
    for split in present:
        findings += _told(_pixels, sound, split, images)
    findings += _identities(labels)
    findings += _duplicates(images)
    return list(dict.fromkeys(findings))  # one file name may spoil every split


def _told(check: Callable[..., Iterable[Defect]], *given: Any) -> list[Defect]:
    """Return what a check found, or the error that ended it."""
    try:
        return list(check(*given))
    except DataError as error:
        return [Defect("error", "split", error.what, error.hint)]


def _unreadable(dataset: Dataset, split: Split) -> Iterator[Defect]:
    bad = dataset.unreadable(split)
    if bad:
        kinds = ", ".join(f"{n} {kind}" for kind, n in Counter(e.kind for e in bad).items())
        total = len(dataset.names(split))
        message = f"{split}: {len(bad)} of {total} images cannot be used: {kinds}"
        yield Defect("error", "unreadable", message, HINT)
    for error in bad:
        yield Defect("error", "unreadable", error.what, error.hint)


def _files(dataset: Dataset) -> Iterator[Defect]:
    for line in dataset.left_out():
        yield Defect("warning", "left out", line, "nothing, if that is meant")
    changed = dataset.changed()
    if changed:
        message = f"{len(changed)} files changed while size and time did not: {listed(changed)}"
        hint = "fetch them again if you did not change them; runs take them as new from now on"
        yield Defect("warning", "changed", message, hint)


def _pixels(dataset: Dataset, split: Split, images: dict[Split, ImageSet]) -> Iterator[Defect]:
    """Put a split into `images`."""
    was_damaged = dataset.cache.is_damaged(split)
    images[split] = dataset.split(split)
    if was_damaged:
        path = dataset.cache.array_path(split)
        message = f"{split}: {path} had changed since it was written; it was made again"
        yield Defect("warning", "pixels", message, "check the disk if that happens again")
    record = dataset.cache.record(split)
    if record is not None:
        found = record["sha256"][:16]
        yield Defect("info", "pixels", f"{split}: SHA-256 of the pixels is {found}…")


def _counts(dataset: Dataset, split: Split, labels: dict[Split, Labels]) -> Iterator[Defect]:
    """Put the labels of a split into `labels`."""
    found = labels[split] = dataset.labels(split)
    people = {label.pid for label in found if label.is_person}
    cameras = {label.camid for label in found}
    text = f"{split}: {len(found)} images, {len(people)} identities, {len(cameras)} cameras"
    yield Defect("info", "counts", text)


def _identities(labels: Mapping[Split, Labels]) -> Iterator[Defect]:
    if "train" in labels:
        train = Counter(label.pid for label in labels["train"] if label.is_person)
        nobody = len(labels["train"]) - train.total()
        if nobody:
            message = f"{nobody} training images are junk or distractors"
            yield Defect("error", "identities", message, "remove them: they show no identity")
        single = sum(count == 1 for count in train.values())
        if single:
            message = f"{single} training identities have a single image"
            yield Defect("warning", "single", message, "the sampler repeats it")
        tested = [label for s in TEST_SPLITS for label in labels.get(s, ()) if label.is_person]
        both = sorted(train.keys() & {label.pid for label in tested})
        if both:
            yield Defect(
                "error", "identities", f"{len(both)} identities are in train and in test, "
                f"such as {both[0]:04d}", "training and test identities must be disjoint",
            )  # fmt: skip
    if {"query", "gallery"} <= labels.keys():
        seen: dict[int, set[int]] = defaultdict(set)
        for label in labels["gallery"]:
            if label.is_person:
                seen[label.pid].add(label.camid)
        lost = sum(
            not (label.is_person and seen[label.pid] - {label.camid}) for label in labels["query"]
        )
        if lost:
            message = f"{lost} queries have no match in the gallery and are not scored"
            yield Defect("warning", "queries", message, "nothing, if that is meant")


def _duplicates(images: Mapping[Split, ImageSet]) -> Iterator[Defect]:
    """Find pictures that are in two splits."""
    seen: dict[bytes, tuple[Split, str]] = {}
    pairs: dict[tuple[Split, Split], list[str]] = defaultdict(list)
    for split, found in images.items():
        for start in range(0, len(found), 256):
            block = found.pixels(slice(start, start + 256))
            for offset, pixels in enumerate(block):
                key = hashlib.blake2b(pixels.tobytes(), digest_size=16).digest()
                name = found.names[start + offset]
                first, other = seen.setdefault(key, (split, name))
                if first != split:
                    same = f"{first}/{other} and {split}/{name} are the same picture"
                    pairs[first, split].append(same)
    for pair, lines in pairs.items():
        level: Literal["warning", "error"] = "error" if "train" in pair else "warning"
        total = f"{len(lines)} pictures of {pair[1]} are in {pair[0]}, too"
        for line in (total, *lines):
            yield Defect(level, "duplicates", line, "remove one of them")


def dataset_info(dataset: Dataset) -> dict[str, Any]:
    """Return the card of `dataset`, where its pixels are cached and which splits are there."""
    cache = dataset.cache
    return {
        **dataset.card(),
        "cache": {
            "folder": str(cache.folder),
            "splits": [split for split in SPLITS if cache.record(split) is not None],
        },
        "warnings": dataset.warnings(),
    }
