"""Data sets of two cameras, a folder each, in which most people have one image by each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from benchmark.core.errors import DataError
from benchmark.data.checked_splits import SplitListing
from benchmark.data.disk_dataset import DiskDataset
from benchmark.data.folder_listing import is_folder, list_folder
from benchmark.data.image_label import ImageLabel
from benchmark.data.layout import MOST_DIGITS, SPLITS, Split

_NUMBER = re.compile(r"\d+", re.ASCII)


class TwoCameras(DiskDataset):
    """Any data set in the folders cam_a and cam_b; the first number of a name is the identity.

    Half of the people whom both cameras saw are trained on. Of the others the images of the first
    camera are queries; those of the second, and whoever only it saw, are the gallery.
    """

    class Config(DiskDataset.Config):
        """Options."""

        trial: int = Field(default=0, ge=0)
        """Which of the random halves; the field averages over ten."""
        test_only: bool = False
        """Test on everybody, and train on nobody."""

    config: Config

    name: ClassVar[str] = "two-cameras"
    view_folders: ClassVar[tuple[str, str]] = ("cam_a", "cam_b")
    contents: ClassVar[str] = "cam_a, cam_b"
    source: ClassVar[str] = "your own"
    distractor_pid: ClassVar[int | None] = None
    """Identity that stands for nobody, if there is one."""

    def _is_here(self, folder: Path) -> bool:
        return all(is_folder(folder / view) for view in self.view_folders)

    def present(self) -> tuple[Split, ...]:
        """Return the splits that there are."""
        wanted = SPLITS[1:] if self.config.test_only else SPLITS
        return wanted if self._is_here(self.folder) else ()

    def _list(self, split: Split) -> SplitListing:
        first, second = self._view(1), self._view(2)
        people = [{one.pid for one in view.values() if one.is_person} for view in (first, second)]
        shared = people[0] & people[1]
        train = self._trained(sorted(shared))
        if split == "train":
            both = {**first, **second}
            images = {path: one for path, one in both.items() if one.pid in train}
        else:
            view = first if split == "query" else second
            images = {path: one for path, one in view.items() if one.pid not in train}
            if split == "query":
                images = {path: one for path, one in images.items() if one.pid in shared}
        if not images:
            raise DataError(
                f"{self.folder} gives no image for the {split} split: {len(shared)} people are in "
                f"both {' and '.join(self.view_folders)}",
                "name the images of a person with the same number in both folders",
            )
        return SplitListing(self.folder.name, images)

    def _trained(self, people: list[int]) -> set[int]:
        if self.config.test_only:
            return set()
        rng = np.random.default_rng(self.config.trial)
        return set(rng.permutation(people)[: len(people) // 2].tolist())

    def _view(self, camid: int) -> dict[str, ImageLabel]:
        place = self.view_folders[camid - 1]
        images = {}
        for name in list_folder(self.folder / place, f"the root must hold {self.contents}").images:
            number = _NUMBER.search(name)
            if number is None or len(number[0]) > MOST_DIGITS:
                raise DataError(
                    f"{self.folder / place}: the file name {name!r} does not give an identity",
                    f"rename or remove it; its first number says who it is, {MOST_DIGITS} digits "
                    "at most",
                )
            pid, path = int(number[0]), f"{place}/{name}"
            images[path] = ImageLabel(path, pid, camid, distractor=pid == self.distractor_pid)
        return images

    def _about(self) -> dict[str, Any]:
        return {
            "title": "Two cameras",
            "description": "People whom two cameras saw, half of them for training.",
            "not": "Not delivered with this project.",
            "licence": "That of the files.",
            "source": "files given by the user",
            "split": f"random half number {self.config.trial}, of this project",
        }
