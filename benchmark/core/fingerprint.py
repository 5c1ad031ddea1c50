"""The identity of a piece of work: SHA-256 of canonical JSON of all that shapes its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmark.core.errors import DataError

HASHING_VERSION = 1


def canonical_json(value: object) -> str:
    """Serialise `value` so that equal content gives equal text.

    Raises:
        TypeError: `value` holds something that JSON cannot express.
        ValueError: `value` holds NaN or an infinity.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def fingerprint(content: Mapping[str, object]) -> str:
    """Return the 64-digit fingerprint of `content` and of the hashing's own version."""
    body = canonical_json({"hashing": HASHING_VERSION, "content": content})
    return hashlib.sha256(body.encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_sources(paths: Iterable[Path]) -> str:
    """Return one SHA-256 over names and text of source files, wherever their folders lie."""
    digest = hashlib.sha256()
    for name, text in sorted((path.name, path.read_bytes()) for path in set(paths)):
        digest.update(name.encode() + b"\0" + text + b"\0")
    return digest.hexdigest()


def agreed_sha256(given: str, found: str, what: str) -> str:
    """Return the found hash; `given` is empty or must be the same.

    Raises:
        DataError: Another one was given for `what`.
    """
    if given not in ("", found):
        raise DataError(
            f"{what} has the SHA-256 {found[:12]}…, not {given[:12]}…",
            "it was changed, or it is another one than was meant",
        )
    return found
