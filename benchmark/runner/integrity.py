"""Whether the files of a finished cell still hold what was written.

A card holds the SHA-256 of each file and of itself. Cards from before that have none: what their
files tell by themselves is then all there is, the checksums within an archive of arrays and the
hash beside an encoder.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open

from benchmark.core.fingerprint import sha256_file
from benchmark.models.checkpoint import CARD_FILE as ENCODER_CARD
from benchmark.models.checkpoint import check_weights

SEAL = "card_sha256"
"""Key of a card under which its own hash is."""


def sealed(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return a card of JSON values with its own hash."""
    return {**card, SEAL: _hash(card)}


def hash_files(folder: Path, names: list[str]) -> dict[str, str]:
    """Return the SHA-256 of files in a folder, by name."""
    return {name: sha256_file(folder / name) for name in names}


def is_sound(folder: Path, card: Mapping[str, Any]) -> bool:
    """Whether a card and the files of its cell are as they were written.

    Raises:
        OSError: A file cannot be read.
        Exception: A file of a cell without hashes is damaged.
    """
    if SEAL not in card:
        return all(_reads_back(folder / name) for name in card["files"])
    written = {key: value for key, value in card.items() if key != SEAL}
    hashes = card["sha256"]
    return bool(card[SEAL] == _hash(written) and hashes == hash_files(folder, list(hashes)))


def _reads_back(path: Path) -> bool:
    """Whether a file of a cell from before cards held hashes can be read, as far as can be told."""
    if path.suffix == ".npz":
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt"):
            pass
    if path.name == ENCODER_CARD:
        check_weights(path.parent)
    return True


def _hash(card: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(card, sort_keys=True).encode()).hexdigest()
