"""Occluded-Duke, read from disk by those who say that they know of Duke's withdrawal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from benchmark.data.image_label import SplitCounts
from benchmark.data.layout import Split
from benchmark.data.withdrawn import DUKE_NOTICE, Withdrawn


class OccludedDuke(Withdrawn):
    """Occluded-Duke (Miao et al., ICCV 2019): DukeMTMC-reID with occluded queries; withdrawn."""

    name: ClassVar[str] = "occluded-duke"
    folder_names: ClassVar[tuple[str, ...]] = (
        "Occluded_Duke",
        "Occluded-Duke",
        "Occluded-DukeMTMC",
        "Occluded-DukeMTMC-Dataset",
        "occluded_duke",
        "occluded-duke",
    )
    source: ClassVar[str] = (
        "the lists at https://github.com/lightas/Occluded-DukeMTMC-Dataset choose images of "
        "DukeMTMC-reID, which is not given out any more"
    )
    restricted: ClassVar[str] = DUKE_NOTICE
    published: ClassVar[Mapping[Split, SplitCounts]] = {
        "train": SplitCounts(15_618, 702, 8),
        "query": SplitCounts(2_210, 519, 8),
        "gallery": SplitCounts(17_661, 1_110, 8),
    }

    def _about(self) -> dict[str, Any]:
        return {
            "title": "Occluded-Duke",
            "description": "DukeMTMC-reID, chosen so that every query shows somebody behind "
            "something.",
            "not": "Not to be had: " + DUKE_NOTICE + ".",
            "licence": "Withdrawn.",
            "source": "files given by the user",
            "paper": 'Miao et al., "Pose-Guided Feature Alignment for Occluded Person '
            'Re-Identification", ICCV 2019',
        }
