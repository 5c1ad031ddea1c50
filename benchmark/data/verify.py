"""Checking a data set: counts, files, pixels, and leaks between its splits."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from benchmark.core.errors import DataError
from benchmark.data.dataset import Dataset
from benchmark.data.decode import MEND
from benchmark.data.layout import SPLITS, Split
from benchmark.data.records import ImageSet


@dataclass(frozen=True)
class Finding:
    """One result of a check.

    Attributes:
        level: ``info``, ``warning``, or ``error`` when the data should not be used.
        check: Which check found it.
        message: What was found.
        mend: What to do about it; empty for ``info``.
    """

    level: Literal["info", "warning", "error"]
    check: str
    message: str
    mend: str = ""


def verify_dataset(dataset: Dataset) -> list[Finding]:
    """Check all three splits of `dataset`.

    Returns:
        Findings; the data is sound when none has the level ``error``.
    """
    findings: list[Finding] = []
    images: dict[Split, ImageSet] = {}
    try:
        present = dataset.present()
    except DataError as error:
        return [Finding("error", "root", error.what, error.mend)]
    for split in SPLITS:
        if split not in present:
            message = f"there is no {split} split"
            findings.append(Finding("warning", "split", message, "nothing, if that is meant"))
            continue
        try:
            bad = dataset.unreadable(split)
            findings += [Finding("error", "unreadable", line, MEND) for line in bad]
            if not bad:
                images[split] = dataset.split(split)
        except DataError as error:
            findings.append(Finding("error", "split", error.what, error.mend))
            continue
        findings += _counts(dataset, split)
    for split in images:
        findings += _pixel_hash(dataset, split)
    findings += _identities(dataset, images)
    findings += _duplicates(images)
    return list(dict.fromkeys(findings))  # one file name may spoil every split


def _counts(dataset: Dataset, split: Split) -> list[Finding]:
    labels = dataset.labels(split)
    people = {label.pid for label in labels if label.pid > 0}
    cameras = {label.camid for label in labels}
    text = f"{split}: {len(labels)} images, {len(people)} identities, {len(cameras)} cameras"
    return [Finding("info", "counts", text)]


def _pixel_hash(dataset: Dataset, split: Split) -> list[Finding]:
    record = dataset.cache.record(split)
    found = dataset.cache.sha256(split)
    if record is not None and record["sha256"] == found:
        return [Finding("info", "pixels", f"{split}: SHA-256 of the pixels is {found[:16]}…")]
    path = dataset.cache.array_path(split)
    return [
        Finding(
            "error", "pixels", f"{split}: {path} has changed since it was written",
            f"remove {dataset.cache.folder}; it is made again",
        )
    ]  # fmt: skip


def _identities(dataset: Dataset, images: dict[Split, ImageSet]) -> list[Finding]:
    findings = []
    if "train" in images:
        train = Counter(images["train"].pids[images["train"].pids > 0].tolist())
        single = sum(count == 1 for count in train.values())
        if single:
            message = f"{single} training identities have a single image"
            findings.append(Finding("warning", "single", message, "the sampler repeats it"))
        test = {
            pid
            for s in ("query", "gallery")
            if s in images
            for pid in images[s].identities.tolist()
        }
        both = sorted(train.keys() & test)
        if both:
            findings.append(
                Finding(
                    "error", "identities", f"{len(both)} identities are in train and in test, "
                    f"such as {both[0]:04d}", "training and test identities must be disjoint",
                )
            )  # fmt: skip
    if {"query", "gallery"} <= images.keys():
        query, gallery = images["query"], images["gallery"]
        seen = set(zip(gallery.pids.tolist(), gallery.camids.tolist(), strict=True))
        lost = 0
        for pid, camid in zip(query.pids.tolist(), query.camids.tolist(), strict=True):
            lost += not any(p == pid and c != camid for p, c in seen)
        if lost:
            message = f"{lost} queries have no match in the gallery and are not scored"
            findings.append(Finding("warning", "queries", message, "nothing, if that is meant"))
    return findings


def _duplicates(images: dict[Split, ImageSet]) -> list[Finding]:
    """Find pictures that are in two splits."""
    seen: dict[bytes, tuple[Split, str]] = {}
    findings = []
    for split, found in images.items():
        for start in range(0, len(found), 256):
            block = found.pixels(slice(start, start + 256))
            for offset, pixels in enumerate(block):
                key = hashlib.blake2b(pixels.tobytes(), digest_size=16).digest()
                name = found.names[start + offset]
                first = seen.setdefault(key, (split, name))
                if first[0] != split:
                    leak = "train" in (first[0], split)
                    findings.append(
                        Finding(
                            "error" if leak else "warning", "duplicates",
                            f"{first[0]}/{first[1]} and {split}/{name} are the same picture",
                            "remove one of them",
                        )
                    )  # fmt: skip
    return findings


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
