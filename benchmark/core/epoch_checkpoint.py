"""What a long preparation must remember after each epoch to go on after a kill."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

logger = logging.getLogger(__name__)

CHECKPOINT = "epoch.pt"


def save_epoch(folder: Path, state: Mapping[str, Any], name: str = CHECKPOINT) -> None:
    """Write the state so that a kill leaves either the old or the new one.

    Args:
        folder: Made if it is not there.
        state: Tensors, numbers, strings, and lists and dictionaries of them.
        name: File name in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / (name + ".partial")
    with partial.open("wb") as stream:
        torch.save(dict(state), stream)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(folder / name)


def load_epoch(folder: Path, name: str = CHECKPOINT) -> dict[str, Any] | None:
    """Return the state to go on from, on the CPU, or None to start anew."""
    path = folder / name
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged checkpoint only costs time
        logger.warning("the checkpoint %s is damaged (%s); the work starts anew", path, error)
        return None
    return state
