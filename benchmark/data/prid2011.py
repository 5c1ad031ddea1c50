"""PRID 2011, its single shots, read from disk."""

from __future__ import annotations

from typing import Any, ClassVar

from benchmark.data.two_cameras import TwoCameras


class PRID2011(TwoCameras):
    """PRID 2011 (Hirzer et al., SCIA 2011), single shots: 200 people are seen by both cameras."""

    name: ClassVar[str] = "prid2011"
    folder_names: ClassVar[tuple[str, ...]] = (
        "single_shot",
        "prid_2011/single_shot",
        "prid2011/single_shot",
        "prid2011",
        "prid_2011",
    )
    source: ClassVar[str] = (
        "https://www.tugraz.at/institute/icg/research/team-bischof/lrs/downloads/prid11/"
    )

    def _about(self) -> dict[str, Any]:
        return {
            **super()._about(),
            "title": "PRID 2011, single shot",
            "description": "People on a street, 385 by one camera and 749 by the other.",
            "paper": 'Hirzer et al., "Person Re-Identification by Descriptive and Discriminative '
            'Classification", SCIA 2011',
        }
