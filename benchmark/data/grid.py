"""GRID, read from disk."""

from __future__ import annotations

from typing import Any, ClassVar

from benchmark.data.two_cameras import TwoCameras


class GRID(TwoCameras):
    """GRID (Loy et al., CVPR 2009): 250 pairs in an underground station, and 775 strangers.

    Strangers are named 0000 and are distractors.
    """

    name: ClassVar[str] = "grid"
    folder_names: ClassVar[tuple[str, ...]] = ("underground_reid", "GRID", "grid")
    view_folders: ClassVar[tuple[str, str]] = ("probe", "gallery")
    contents: ClassVar[str] = "probe, gallery"
    distractor_pid: ClassVar[int | None] = 0
    source: ClassVar[str] = (
        "http://personal.ie.cuhk.edu.hk/~ccloy/downloads_qmul_underground_reid.html"
    )

    def _about(self) -> dict[str, Any]:
        return {
            **super()._about(),
            "title": "GRID",
            "description": "People in an underground station; each pair is by two of eight "
            "cameras, of which only the two sides of the pair are told apart here.",
            "paper": 'Loy et al., "Multi-camera Activity Correlation Analysis", CVPR 2009',
        }
