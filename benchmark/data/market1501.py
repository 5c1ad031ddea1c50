"""Market-1501, read from disk; the project neither holds nor fetches it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from benchmark.core.errors import DataError
from benchmark.data.checked_splits import SplitListing
from benchmark.data.disk_dataset import DiskDataset
from benchmark.data.folder_listing import is_folder, list_folder
from benchmark.data.image_label import ImageLabel, SplitCounts
from benchmark.data.layout import Split
from benchmark.data.three_folders import ThreeFolders

DISTRACTORS = ("images", "distractors_500k/images", "distractors_500k")
"""Where the 500,000 distractors lie in copies, the first as the archive unpacks."""


class Market1501(ThreeFolders):
    """Market-1501 (Zheng et al., "Scalable Person Re-identification: A Benchmark", ICCV 2015).

    Reads any folder in the same layout, such as one that `data make` wrote.
    """

    class Config(DiskDataset.Config):
        """Options."""

        distractors_500k: bool = False
        """Add the 500,000 distractors to the gallery; their folder lies beside the others."""

    config: Config

    name: ClassVar[str] = "market1501"
    folder_names: ClassVar[tuple[str, ...]] = (
        "Market-1501-v15.09.15",
        "Market-1501",
        "market1501",
        "Market1501",
    )
    source: ClassVar[str] = (
        "the authors' project page, https://zheng-lab-anu.github.io/Project/project_reid.html"
    )
    published: ClassVar[Mapping[Split, SplitCounts]] = {
        "train": SplitCounts(12_936, 751, 6),
        "query": SplitCounts(3_368, 750, 6),
        "gallery": SplitCounts(19_732, 750, 6),
    }

    def expected(self) -> Mapping[Split, SplitCounts]:
        """Return the published counts, with the distractors if they are asked for."""
        if not self.config.distractors_500k:
            return self.published
        plain = self.published["gallery"]  # the camera of a distractor is not known: it is 0
        gallery = SplitCounts(plain.images + 500_000, plain.identities, plain.cameras + 1)
        return {**self.published, "gallery": gallery}

    def _list(self, split: Split) -> SplitListing:
        listing = super()._list(split)
        if split != "gallery" or not self.config.distractors_500k:
            return listing
        place = next((one for one in DISTRACTORS if is_folder(self.folder / one)), None)
        if place is None:
            raise DataError(
                f"{self.folder} holds no folder of the 500,000 distractors: "
                f"{' or '.join(DISTRACTORS)}",
                "put them there, or leave out distractors_500k",
            )
        names = [f"{place}/{name}" for name in list_folder(self.folder / place).images]
        others = {name: ImageLabel(name, 0, 0, distractor=True) for name in names}
        return replace(listing, images={**listing.images, **others})

    def _said(self) -> Mapping[str, object]:
        return {"layout": "market1501"}  # paths alone say everything

    def _about(self) -> dict[str, Any]:
        return {
            "title": "Market-1501",
            "description": "Pedestrians before a supermarket, seen by six cameras; 1,501 "
            "identities, boxes of a part-based detector.",
            "not": "Not redistributable, and not delivered with this project.",
            "licence": "For academic research; see the authors' terms.",
            "source": "files given by the user",
            "paper": 'Zheng et al., "Scalable Person Re-identification: A Benchmark", ICCV 2015',
        }
