"""Checking a data set: counts, files, pixels, its hash, and leaks between its splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from benchmark.core.errors import DataError
from benchmark.core.image_set import ImageSet
from benchmark.core.listing import listed
from benchmark.data.dataset import Dataset
from benchmark.data.defect import Defect
from benchmark.data.image_file import HINT
from benchmark.data.label_defects import Labels, count_defects, identity_defects, query_defects
from benchmark.data.layout import SPLITS, Split
from benchmark.data.pixel_defects import cache_defects, duplicate_defects, size_defects


def verify_dataset(dataset: Dataset, sha256: str = "") -> list[Defect]:
    """Check all three splits of `dataset`; files are read again, whatever is remembered of them.

    Args:
        dataset: What to check.
        sha256: Hash of the content that a sound copy has, or its start; empty takes the known
            one, if there is one.

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
            hint = "put it beside the others; nothing, if that is meant"
            findings.append(Defect("warning", "split", message, hint))
    labels: dict[Split, Labels] = {}
    for split in present:
        findings += _told(_unreadable, dataset, split)
        findings += _told(_counts, dataset, split, labels)
    findings += _told(_files, dataset)
    findings += _told(_manifest, dataset, sha256)
    sound = dataset.without_unreadable()
    images: dict[Split, ImageSet] = {}
    for split in present:
        findings += _told(size_defects, sound, split) if not dataset.rendered else []
        findings += _told(cache_defects, sound, split, images)
    findings += identity_defects(labels)
    findings += query_defects(labels)
    findings += duplicate_defects(images, dataset.cameras)
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
    for line in dataset.conversions(split):
        yield Defect("info", "converted", line)


def _counts(dataset: Dataset, split: Split, labels: dict[Split, Labels]) -> Iterator[Defect]:
    """Put the labels of a split into `labels`."""
    labels[split] = dataset.labels(split)
    yield from count_defects(split, labels[split], dataset.expected().get(split), dataset.source)


def _files(dataset: Dataset) -> Iterator[Defect]:
    for line in dataset.left_out():
        yield Defect("warning", "left out", line, "nothing, if that is meant")
    changed = dataset.changed()
    if changed:
        message = f"{len(changed)} files changed while size and time did not: {listed(changed)}"
        hint = "fetch them again if you did not change them; runs take them as new from now on"
        yield Defect("warning", "changed", message, hint)


def _manifest(dataset: Dataset, given: str) -> Iterator[Defect]:
    """Compare the hash of the content with the one given, else with the known one."""
    found, known = dataset.manifest_sha256(), given.lower() or dataset.known_sha256()
    if not known:
        text = "none is known to compare with; --sha256 gives one"
        yield Defect("info", "manifest", f"SHA-256 of the content is {found}; {text}")
    elif found.startswith(known):
        origin = "given" if given else "known"
        yield Defect("info", "manifest", f"SHA-256 of the content is {found}, the one {origin}")
    else:
        message = f"SHA-256 of the content is {found}, not {known}"
        hint = "these are other files or other names than those that the hash is of"
        yield Defect("error", "manifest", message, hint)
