"""PersonX, read from disk: rendered people, of whom every camera and angle is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from benchmark.core.errors import DataError
from benchmark.data.checked_splits import SplitListing
from benchmark.data.folder_listing import is_folder
from benchmark.data.image_label import SplitCounts
from benchmark.data.layout import FOLDERS, SPLITS, Split
from benchmark.data.three_folders import ShortNames

BACKGROUNDS = tuple(map(str, range(1, 7)))
"""Sub-folders that hold three folders each, in copies that keep the backgrounds apart."""


class PersonX(ShortNames):
    """PersonX (Sun and Zheng, "Dissecting Person Re-identification from the Viewpoint of
    Viewpoint", CVPR 2019), six backgrounds.

    The three folders lie in the root, or in sub-folders 1 to 6.
    """

    name: ClassVar[str] = "personx"
    folder_names: ClassVar[tuple[str, ...]] = ("PersonX_v1", "PersonX", "personX", "personx")
    source: ClassVar[str] = "https://github.com/sxzrt/Instructions-of-the-PersonX-dataset"
    published: ClassVar[Mapping[Split, SplitCounts]] = {
        "train": SplitCounts(9_840, 410, 6),
        "query": SplitCounts(5_136, 856, 6),
        "gallery": SplitCounts(30_816, 856, 6),
    }

    def _is_here(self, folder: Path) -> bool:
        return any(map(super()._is_here, (folder, *(folder / one for one in BACKGROUNDS))))

    def _places(self, split: Split) -> list[str]:
        inner = FOLDERS[split]
        places = [inner, *(f"{one}/{inner}" for one in BACKGROUNDS)]
        return [place for place in places if is_folder(self.folder / place)]

    def present(self) -> tuple[Split, ...]:
        """Return the splits whose folders there are."""
        return tuple(split for split in SPLITS if self._places(split))

    def _list(self, split: Split) -> SplitListing:
        listings = [self._list_within(place) for place in self._places(split)]
        if not listings:
            raise DataError(
                f"no folder {self.folder / FOLDERS[split]}",
                f"the root must hold {self.contents}, or sub-folders 1 to 6 that do",
            )
        images = {}
        for listing in listings:
            above, _, _ = listing.place.rpartition(FOLDERS[split])
            for path, label in listing.images.items():
                images[path] = replace(label, name=f"{above}{label.name}")
        unread = [name for listing in listings for name in listing.unread]
        return SplitListing(FOLDERS[split], images, tuple(unread))

    def _about(self) -> dict[str, Any]:
        return {
            "title": "PersonX",
            "description": "1,266 people made by hand and rendered from known angles before six "
            "backgrounds.",
            "not": "Not real people, and not delivered with this project.",
            "licence": "See the authors' terms.",
            "source": "files given by the user",
            "paper": 'Sun and Zheng, "Dissecting Person Re-identification from the Viewpoint of '
            'Viewpoint", CVPR 2019',
        }
