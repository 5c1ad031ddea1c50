"""Data sets in three folders named as Market-1501 names them; file names carry the labels."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from benchmark.core.errors import DataError
from benchmark.data.checked_splits import SplitListing
from benchmark.data.disk_dataset import DiskDataset
from benchmark.data.folder_listing import is_folder, list_folder
from benchmark.data.image_label import ImageLabel, market_label
from benchmark.data.layout import (
    FOLDERS,
    PATTERN,
    SHORT_PATTERN,
    SPLITS,
    Split,
    parse_name,
    parse_short_name,
)


class ThreeFolders(DiskDataset):
    """A data set in bounding_box_train, query and bounding_box_test."""

    contents: ClassVar[str] = ", ".join(FOLDERS.values())
    pattern: ClassVar[str] = PATTERN

    def _is_here(self, folder: Path) -> bool:
        return any(is_folder(folder / name) for name in FOLDERS.values())

    def present(self) -> tuple[Split, ...]:
        """Return the splits whose folders there are."""
        return tuple(split for split in SPLITS if is_folder(self.folder / FOLDERS[split]))

    def _list(self, split: Split) -> SplitListing:
        return self._list_within(FOLDERS[split])

    def _list_within(self, place: str) -> SplitListing:
        """List the images of one folder, given relative to the data set's."""
        hint = f"the root must hold {self.contents} with images named {self.pattern}"
        listing = list_folder(self.image_folder / place, hint)
        images = {}
        for name in listing.images:
            try:
                images[f"{place}/{name}"] = self._label(name)
            except DataError as error:
                where = self.image_folder / place
                raise DataError(f"{where}: {error.what}", error.hint) from error
        return SplitListing(place, images, listing.unread)

    def _label(self, name: str) -> ImageLabel:
        return market_label(name, parse_name(name))


class ShortNames(ThreeFolders):
    """Three folders of images that are named by identity and camera alone."""

    pattern: ClassVar[str] = SHORT_PATTERN

    def _label(self, name: str) -> ImageLabel:
        pid, camid, frame = parse_short_name(name)
        return ImageLabel(name, pid, camid, junk=pid < 0, frame=frame)
