"""What long work must remember after each epoch to go on after a kill.

Before the state stands its SHA-256, as torch does not notice when a bit of a tensor has changed.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from benchmark.core.files import publish

logger = logging.getLogger(__name__)

CHECKPOINT = "epoch.pt"
DIGEST_BYTES = hashlib.sha256().digest_size


def save_epoch(folder: Path, state: Mapping[str, Any], name: str = CHECKPOINT) -> None:
    """Write the state; a kill leaves either the old or the new one.

    Args:
        folder: Made if it is not there.
        state: Tensors, numbers, strings, and lists and dictionaries of them.
        name: File name in the folder.
    """
    stream = io.BytesIO()
    torch.save(dict(state), stream)
    content = stream.getvalue()
    publish(folder / name, hashlib.sha256(content).digest() + content)


def load_epoch(folder: Path, name: str = CHECKPOINT) -> dict[str, Any] | None:
    """Return the state to go on from, on the CPU, or None to start anew."""
    path = folder / name
    if not path.is_file():
        return None
    try:
        stored = path.read_bytes()
        digest, content = stored[:DIGEST_BYTES], stored[DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            raise ValueError("its SHA-256 is not the recorded one")
        stream = io.BytesIO(content)
        state: dict[str, Any] = torch.load(stream, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged checkpoint only costs time
        logger.warning("the checkpoint %s is damaged (%s); the work starts anew", path, error)
        return None
    return state
