"""Market-1501, read from disk; the project neither holds nor fetches it."""

from __future__ import annotations

from typing import Any, ClassVar

from benchmark.data.folder import MarketLayout


class Market1501(MarketLayout):
    """Market-1501 (Zheng et al., "Scalable Person Re-identification: A Benchmark", ICCV 2015).

    Reads any folder in the same layout, such as one that `data make` wrote.
    """

    name: ClassVar[str] = "market1501"
    folder_names: ClassVar[tuple[str, ...]] = (
        "Market-1501-v15.09.15",
        "Market-1501",
        "market1501",
        "Market1501",
    )

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
