"""Which preset a run takes that names none: one that is made for its data set."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from typing import Any

from benchmark.config.presets import DEFAULT_PRESET, preset_description, preset_names, read_layer
from benchmark.core.dataset_names import joined, sources_of

DEFAULT_FOR = "default_for"
"""Key of a preset: data sets for which it is taken where none is named."""

logger = logging.getLogger(__name__)


def preset_of(options: dict[str, Any]) -> str:
    """Return the preset that options name, else the one that is taken for their data set.

    A choice that is not the usual one is told, with the others that are made for the data set.

    Args:
        options: Options by key.
    """
    if (named := options.get("preset")) is not None:
        return str(named)
    dataset = _first_dataset(options.get("dataset"))
    chosen = next((one for one in preset_names() if dataset in _defaults()[one]), None)
    if chosen is None:
        return DEFAULT_PRESET
    others = [one for one in presets_for(dataset) if one != chosen]
    logger.info(
        "%s: preset %s (%s)%s",
        dataset,
        chosen,
        preset_description(chosen).rstrip("."),
        f"; also made for it: {', '.join(others)}: --preset NAME" if others else "",
    )
    return chosen


def presets_for(dataset: str) -> list[str]:
    """Return the presets that name a data set as theirs."""
    return [name for name in preset_names() if _dataset_of(name) == dataset]


@cache
def _defaults() -> dict[str, Sequence[str]]:
    return {name: read_layer(name).get(DEFAULT_FOR, ()) for name in preset_names()}


@cache
def _dataset_of(name: str) -> str | None:
    """Return the data set of a preset or of what it builds on."""
    layer = read_layer(name)
    if "dataset" in layer:
        return str(layer["dataset"])
    return _dataset_of(layer["preset"]) if "preset" in layer else None


def _first_dataset(value: Any) -> str:
    try:
        return sources_of(joined(value))[0]
    except ValueError:  # none, or what validation refuses
        return ""
