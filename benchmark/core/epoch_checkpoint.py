"""What long work must remember after each epoch to go on after a kill.

Behind the state stands its SHA-256, as torch does not notice when a bit of a tensor has changed.
Checkpoints from before have none and are read as they are.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

logger = logging.getLogger(__name__)

CHECKPOINT = "epoch.pt"
MARK = b"sha256:"
DIGEST_BYTES = hashlib.sha256().digest_size


def save_epoch(folder: Path, state: Mapping[str, Any], name: str = CHECKPOINT) -> None:
    """Write the state so that a kill leaves either the old or the new one.

    Args:
        folder: Made if it is not there.
        state: Tensors, numbers, strings, and lists and dictionaries of them.
        name: File name in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / (name + ".partial")
    with partial.open("wb+") as stream:
        torch.save(dict(state), stream)
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").digest()
        stream.seek(0, os.SEEK_END)
        stream.write(MARK + digest)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(folder / name)


def load_epoch(folder: Path, name: str = CHECKPOINT) -> dict[str, Any] | None:
    """Return the state to go on from, on the CPU, or None to start anew."""
    path = folder / name
    if not path.is_file():
        return None
    try:
        content = io.BytesIO(_checked(path.read_bytes()))
        state: dict[str, Any] = torch.load(content, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged checkpoint only costs time
        logger.warning("the checkpoint %s is damaged (%s); the work starts anew", path, error)
        return None
    return state


def _checked(content: bytes) -> bytes:
    """Return a state as torch wrote it.

    Raises:
        ValueError: It is another one than was written.
    """
    end = len(content) - DIGEST_BYTES
    start = end - len(MARK)
    if start < 0 or content[start:end] != MARK:
        return content
    if hashlib.sha256(content[:start]).digest() != content[end:]:
        raise ValueError("its SHA-256 is not the recorded one")
    return content[:start]
