"""Folders of results: written beside their place, hashed, flushed, and moved there in one step."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.runner.cells.work import Write
from benchmark.runner.error_translation import machine_problems
from benchmark.runner.integrity import hash_files, is_sound, sealed

DRAFT = ".partial-"
"""How the names of folders begin that are being written."""


def publish_folder(
    target: Path, card_file: str, head: Mapping[str, object], write: Write
) -> dict[str, Any]:
    """Write a folder beside its place, flush it to disk, and move it there in one step.

    Args:
        target: Its place.
        card_file: Name of the file that says what it is.
        head: What the card says beside figures, sizes and hashes.
        write: Writes files into the given folder and returns the figures.

    Returns:
        The figures.

    Raises:
        EnvironmentProblem: The disk is full or refuses; nothing half-written stays.
    """
    with draft_of(target) as draft:
        outcome = write(draft)
        _write_card(draft, card_file, {**head, "outcome": outcome})
    return outcome


@contextmanager
def draft_of(target: Path) -> Iterator[Path]:
    """Yield a folder to write into; afterwards, flush it to disk and move it to its place.

    Raises:
        EnvironmentProblem: The disk is full or refuses; nothing half-written stays.
    """
    # A name of its own: a process that dies slowly may still write its draft of the same.
    draft = target.parent / f"{DRAFT}{target.name}-{secrets.token_hex(4)}"
    try:
        with machine_problems(target.parent):
            draft.mkdir(parents=True)
            yield draft
            for path in (*draft.rglob("*"), draft):
                _flush(path)
            remove_folder(target)
            draft.rename(target)
            _flush(target.parent)
    except BaseException:
        remove_folder(draft)
        raise


def read_card(
    folder: Path, card_file: str, expected: Mapping[str, object], *, trusted: bool = False
) -> dict[str, Any] | None:
    """Return the card of a published folder; None if it or a file is not as it was written.

    Args:
        folder: The folder.
        card_file: Name of the card.
        expected: What the card must say.
        trusted: Compare sizes alone: hashes were compared before.

    Raises:
        Exception: Whatever a damaged file makes a reader raise.
    """
    card: dict[str, Any] = json.loads((folder / card_file).read_text("utf-8"))
    sizes = {name: (folder / name).stat().st_size for name in card["files"]}
    known = all(card[key] == value for key, value in expected.items())
    whole = known and sizes == card["files"]
    return card if whole and (trusted or is_sound(folder, card)) else None


def remove_folder(folder: Path) -> None:
    """Remove a folder, or a file in its place; one that was made read-only, too."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
        return
    with suppress(OSError):
        folder.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _write_card(folder: Path, card_file: str, content: Mapping[str, object]) -> None:
    files = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    card = {**content, "files": files, "sha256": hash_files(folder, list(files))}
    plain = json.loads(json.dumps(card, default=_plain))
    text = json.dumps(sealed(plain), indent=2, sort_keys=True)
    (folder / card_file).write_text(text + "\n", "utf-8")


def _plain(value: object) -> object:
    """Express what a plugin put into its report and JSON does not know."""
    return value.item() if isinstance(value, np.generic) else str(value)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
