"""VIPeR, read from disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from benchmark.data.image_label import SplitCounts
from benchmark.data.layout import Split
from benchmark.data.two_cameras import TwoCameras


class VIPeR(TwoCameras):
    """VIPeR (Gray et al., PETS 2007): 632 people, one image by each of two cameras."""

    name: ClassVar[str] = "viper"
    folder_names: ClassVar[tuple[str, ...]] = ("VIPeR", "viper", "VIPeR.v1.0")
    source: ClassVar[str] = "https://vision.soe.ucsc.edu/node/178"
    published: ClassVar[Mapping[Split, SplitCounts]] = {
        "train": SplitCounts(632, 316, 2),
        "query": SplitCounts(316, 316, 1),
        "gallery": SplitCounts(316, 316, 1),
    }

    def expected(self) -> Mapping[Split, SplitCounts]:
        """Return the counts of the field's halves, or of all people if they are for testing."""
        if not self.config.test_only:
            return self.published
        return dict.fromkeys(("query", "gallery"), SplitCounts(632, 632, 1))

    def _about(self) -> dict[str, Any]:
        return {
            **super()._about(),
            "title": "VIPeR",
            "description": "632 pedestrians outdoors, one image by each of two cameras.",
            "paper": 'Gray et al., "Evaluating Appearance Models for Recognition, Reacquisition, '
            'and Tracking", PETS 2007',
        }
