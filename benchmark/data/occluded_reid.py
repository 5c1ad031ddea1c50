"""Occluded-REID, read from disk: for testing only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from benchmark.core.errors import DataError
from benchmark.data.checked_splits import SplitListing
from benchmark.data.disk_dataset import DiskDataset
from benchmark.data.folder_listing import is_folder, list_folder
from benchmark.data.image_label import ImageLabel, SplitCounts
from benchmark.data.layout import Split

_FOLDERS: dict[Split, str] = {"query": "occluded_body_images", "gallery": "whole_body_images"}
_CAMERAS: dict[Split, int] = {"query": 1, "gallery": 2}
"""The images do not say which camera took them; the two views stand for cameras, as in the paper's
protocol, so that nothing is left out."""
_NAME = re.compile(r"(?:.*/)?(\d{1,18})_\d+\.\w+", re.ASCII)


class OccludedREID(DiskDataset):
    """Occluded-REID (Zhuo et al., "Occluded Person Re-identification", ICME 2018)."""

    name: ClassVar[str] = "occluded-reid"
    folder_names: ClassVar[tuple[str, ...]] = (
        "Occluded_REID",
        "Occluded-REID",
        "OccludedREID",
        "Occluded_ReID",
        "occluded-reid",
        "occluded_reid",
    )
    contents: ClassVar[str] = ", ".join(_FOLDERS.values())
    source: ClassVar[str] = (
        "https://github.com/tinajia2012/ICME2018_Occluded-Person-Reidentification_datasets"
    )
    published: ClassVar[Mapping[Split, SplitCounts]] = {
        "query": SplitCounts(1_000, 200, 1),
        "gallery": SplitCounts(1_000, 200, 1),
    }

    def _is_here(self, folder: Path) -> bool:
        return any(is_folder(folder / name) for name in _FOLDERS.values())

    def present(self) -> tuple[Split, ...]:
        """Return the splits whose folders there are; there is no training split."""
        return tuple(split for split, name in _FOLDERS.items() if is_folder(self.folder / name))

    def _list(self, split: Split) -> SplitListing:
        if split not in _FOLDERS:
            raise DataError(
                f"the data set {self.name} has no {split} split: it is for testing only",
                f"train on another one: --dataset market1501 --test-dataset {self.name}",
            )
        place = _FOLDERS[split]
        hint = f"the root must hold {self.contents} with images such as 001/001_01.tif"
        listing = list_folder(self.folder / place, hint, deep=True)
        images = {}
        for name in listing.images:
            match = _NAME.fullmatch(name)
            if match is None:
                raise DataError(f"{self.folder / place}: the file name {name!r} is unknown", hint)
            images[f"{place}/{name}"] = ImageLabel(name, int(match[1]), _CAMERAS[split])
        return SplitListing(place, images, listing.unread)

    def _about(self) -> dict[str, Any]:
        return {
            "title": "Occluded-REID",
            "description": "200 people, five images each behind something (queries) and five of "
            "the whole body (gallery). For testing only.",
            "not": "Not delivered with this project.",
            "licence": "Non-commercial; see the authors' terms.",
            "source": "files given by the user",
            "paper": 'Zhuo et al., "Occluded Person Re-identification", ICME 2018',
        }
