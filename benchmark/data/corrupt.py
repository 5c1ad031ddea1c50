"""Which image files cannot be used: looked at once, those that are sound remembered."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmark.core.listing import listed
from benchmark.core.progress import Progress
from benchmark.data.decode import decode_file
from benchmark.data.file_memory import FileMemory, Stamp, stamp_of
from benchmark.data.image_file import ImageFileError

_TINY = (8, 8)


class DecodingCheck:
    """Tries to decode the files of a data set.

    Args:
        root: Folder that the files are in.
        store: Where to remember what was found.
        progress: Reporter of the work.
        workers: Threads; None takes all cores.
    """

    def __init__(self, root: Path, store: Path, progress: Progress, workers: int | None) -> None:
        self._root, self._progress, self._workers = root, progress, workers
        self._memory = FileMemory(root, store)

    def broken(self, names: Sequence[str], *, anew: bool = False) -> dict[str, ImageFileError]:
        """Return what is wrong with those of some files that cannot be decoded.

        Args:
            names: Files, named relative to the root.
            anew: Read them all, whatever is remembered.
        """
        errors: dict[str, ImageFileError] = {}
        fresh: dict[str, Stamp] = {}
        for name in names:
            try:
                stamp = stamp_of(self._root / name)
            except ImageFileError as error:
                errors[name] = error
                continue
            if anew or not self._memory.recall(name, stamp):
                fresh[name] = stamp
        if fresh:
            with (
                self._progress.task("checking images", len(fresh)) as bar,
                ThreadPoolExecutor(self._workers) as pool,
            ):
                for name, found in zip(fresh, pool.map(self._try, fresh), strict=True):
                    if found is not None:
                        errors[name] = found
                    bar.advance()
        self._memory.remember({name: (stamp, name not in errors) for name, stamp in fresh.items()})
        return errors

    def _try(self, name: str) -> ImageFileError | None:
        try:
            decode_file(self._root / name, _TINY)
        except ImageFileError as error:
            return error
        return None


def skipped_line(names: Sequence[str]) -> str:
    """Return the warning that counts and names files that were left out."""
    files, are = ("file", "is") if len(names) == 1 else ("files", "are")
    return f"{len(names)} {files} cannot be decoded and {are} left out: {listed(names)}"
