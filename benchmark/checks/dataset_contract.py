"""What every data set owes: labels, pixels and a hash that are the same whoever asks, and when."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.checks.contract import (
    Check,
    CheckResult,
    Warned,
    check_options,
    require,
    run_checks,
)
from benchmark.core.image_set import ImageSet
from benchmark.core.plugin_errors import plugin_faults
from benchmark.core.progress import SilentProgress
from benchmark.data.dataset import Dataset
from benchmark.data.layout import Split
from benchmark.data.verify import verify_dataset

IMAGE_SIZE = (32, 16)
"""Height and width at which images are read, to be quick."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass
class DatasetSubject:
    """A data set under examination.

    Attributes:
        plugin: Its class.
        options: What was chosen.
        root: Folder of its files; None if it needs none.
        work_dir: Where pixels are cached.
    """

    plugin: type[Dataset]
    options: Mapping[str, Any]
    root: Path | None
    work_dir: Path

    def opened(self, cache: str) -> Dataset:
        """Return the data set with a cache of its own."""
        folder = self.work_dir / cache
        folder.mkdir(exist_ok=True)
        return self.plugin(
            self.options,
            image_size=IMAGE_SIZE,
            root=self.root,
            cache_dir=folder,
            progress=SilentProgress(),
        )

    @cached_property
    def dataset(self) -> Dataset:
        """The data set, opened once."""
        return self.opened("first")

    @cached_property
    def images(self) -> dict[Split, ImageSet]:
        """The images of each split that there is."""
        return {split: self.dataset.split(split) for split in self.dataset.present()}


def check_dataset(
    plugin: type[Any],
    options: Mapping[str, Any] | None = None,
    *,
    root: Path | None,
    work_dir: Path,
) -> list[CheckResult]:
    """Run the contract suite of data sets.

    Args:
        plugin: The class.
        options: Options to check it with.
        root: Folder of its files; None if it needs none.
        work_dir: Folder for caches; must exist.

    Raises:
        UsageError: The data set has no such options.
    """
    if not (isinstance(plugin, type) and issubclass(plugin, Dataset)):
        return [CheckResult("class", False, "it does not derive from benchmark.Dataset")]
    with plugin_faults(plugin):
        plugin.parse_config(dict(options or {}))
    return run_checks(CHECKS, DatasetSubject(plugin, dict(options or {}), root, work_dir))


def _card(subject: DatasetSubject) -> str:
    require(bool(subject.plugin.name), "it has no registry name")
    missing = {"title", "description", "licence"} - subject.dataset.card().keys()
    require(not missing, f"_about() lacks {', '.join(sorted(missing))}")
    return str(subject.dataset.card()["title"])


def _options(subject: DatasetSubject) -> str:
    return check_options(subject.plugin, subject.options) or "none"


def _names(subject: DatasetSubject) -> str:
    counts = []
    for split in subject.dataset.present():
        names, labels = subject.dataset.names(split), subject.dataset.labels(split)
        require(len(names) > 0, f"{split} is empty")
        require([*names] == sorted(set(names)), f"names of {split} are not sorted, or not unique")
        told = [label.name for label in labels]
        require(told == [*names], f"labels of {split} are not in the order of its names")
        counts.append(f"{split} {len(names)}")
    return ", ".join(counts)


def _pixels(subject: DatasetSubject) -> str:
    for split, images in subject.images.items():
        shape = (len(subject.dataset.names(split)), *IMAGE_SIZE, 3)
        found = images.pixels(slice(None))
        require(found.shape == shape, f"{split} has the shape {found.shape}, not {shape}")
        require(found.dtype == np.uint8, f"pixels of {split} are {found.dtype}, not uint8")
    return f"uint8, {IMAGE_SIZE[0]}x{IMAGE_SIZE[1]}, as many as names"


def _repeatable(subject: DatasetSubject) -> str:
    again = subject.opened("second")
    for split, images in subject.images.items():
        same = np.array_equal(images.pixels(slice(None)), again.split(split).pixels(slice(None)))
        require(same, f"{split} has other pixels when it is read again")
    first, second = subject.dataset.manifest_sha256(), again.manifest_sha256()
    require(first == second, "the hash of the content is another one when it is read again")
    require(bool(_SHA256.fullmatch(first)), f"the hash of the content is {first!r}, no SHA-256")
    return f"the same pixels and hash when opened again ({first[:12]})"


def _rankable(subject: DatasetSubject) -> str:
    missing = [split for split in ("query", "gallery") if split not in subject.images]
    require(not missing, f"there is no {' and no '.join(missing)}: nothing can be ranked")
    query, gallery = subject.images["query"], subject.images["gallery"]
    matched = sum(
        bool(np.any((gallery.pids == pid) & (gallery.camids != camid)))
        for pid, camid in zip(query.pids, query.camids, strict=True)
    )
    require(matched > 0, "no query has a match in the gallery by another camera")
    seen = f"{matched} of {len(query)} queries have a match by another camera"
    return seen if "train" in subject.images else Warned(f"{seen}; there is no train split")


def _sound(subject: DatasetSubject) -> str:
    defects = verify_dataset(subject.dataset)
    errors, warnings = (
        [one.message for one in defects if one.level == level] for level in ("error", "warning")
    )
    require(not errors, "; ".join(errors[:3]))
    return Warned("; ".join(warnings[:3])) if warnings else "data verify finds no defect"


CHECKS: tuple[Check[DatasetSubject], ...] = (
    ("card", _card),
    ("options", _options),
    ("names and labels", _names),
    ("pixels", _pixels),
    ("repeatable", _repeatable),
    ("can be ranked", _rankable),
    ("content", _sound),
)
