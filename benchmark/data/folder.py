"""Data sets that lie on disk in the layout of Market-1501."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.core.errors import DataError
from benchmark.core.fingerprint import fingerprint
from benchmark.core.listing import listed
from benchmark.core.plugin import PluginConfig
from benchmark.data.checked_names import CheckedNames
from benchmark.data.corrupt import DecodingCheck
from benchmark.data.dataset import Dataset
from benchmark.data.decode import decode_file
from benchmark.data.file_hashes import FileHashes
from benchmark.data.folder_listing import is_folder
from benchmark.data.image_file import ImageFileError, read_file
from benchmark.data.layout import FOLDERS, SPLITS, Split

CHUNK = 64
_LOG = logging.getLogger(__name__)


class MarketLayout(Dataset):
    """A data set in three folders named as Market-1501 names them.

    Subclasses give `name`, `folder_names` and `_about`.
    """

    class Config(PluginConfig):
        """Options."""

        on_corrupt: Literal["fail", "skip"] = "fail"
        """What a file that cannot be decoded does: end the work, or be left out, as if it were
        not there; the hash of the content is then that of the other files."""

    config: Config

    def default_image_size(self) -> tuple[int, int]:
        """Return 256 x 128, the field's usual size."""
        return 256, 128

    @cached_property
    def folder(self) -> Path:
        """The folder that holds the three folders.

        Raises:
            DataError: The root is not given, is missing, or holds nothing of the kind.
        """
        folders = ", ".join(FOLDERS.values())
        hint = f"pass --data-root DIR, where DIR holds {folders}"
        if self.root is None:
            raise DataError(f"the data set {self.name} needs files, and no root was given", hint)
        if not is_folder(self.root):
            raise DataError(f"no folder {self.root} for the data set {self.name}", hint)
        for candidate in (self.root, *(self.root / sub for sub in self.folder_names)):
            if any(is_folder(candidate / folder) for folder in FOLDERS.values()):
                return candidate
        root = self.root.resolve()
        if root.name in FOLDERS.values():
            hint = f"pass --data-root {root.parent}, the folder that holds {root.name}"
        raise DataError(f"{self.root} holds none of {folders}", hint)

    def names(self, split: Split) -> tuple[str, ...]:
        """Return the file names of `split`, sorted, after checking what they say.

        Raises:
            DataError: The folder is missing or empty, a name does not follow the pattern, or no
                query has a match in the gallery.
        """
        return self._checked[split]

    @cached_property
    def _checked(self) -> CheckedNames:
        return CheckedNames(self.folder, self._broken)

    @cached_property
    def _decoding(self) -> DecodingCheck:
        store = self.cache_dir / f"{self.name}-decoding.json"
        return DecodingCheck(self.folder, store, self.progress, self.workers)

    def _broken(self, split: Split, names: list[str]) -> list[str]:
        """Return the files of `split` to leave out; none unless so configured."""
        if self.config.on_corrupt == "fail":
            return []
        within = FOLDERS[split]
        broken = self._decoding.broken([f"{within}/{name}" for name in names])
        return sorted(path.removeprefix(f"{within}/") for path in broken)

    def _path(self, split: Split, name: str) -> Path:
        return self.folder / FOLDERS[split] / name

    def files(self, split: Split) -> Iterator[tuple[str, bytes]]:
        """Yield name and bytes of each file of `split`, in the order of `names`."""
        for name in self.names(split):
            yield name, read_file(self._path(split, name))

    def _decoded(self, split: Split) -> Iterator[NDArray[np.uint8]]:
        for warning in self._single_images() if split == "train" else []:
            _LOG.warning("%s: %s", self.name, warning)
        names = iter(self.names(split))
        title = f"decoding {self.name} {split}"
        with (
            self.progress.task(title, len(self.names(split))) as bar,
            ThreadPoolExecutor(self.workers) as pool,
        ):
            while chunk := list(islice(names, CHUNK)):
                paths = [self._path(split, name) for name in chunk]
                pixels = pool.map(lambda path: decode_file(path, self.image_size), paths)
                yield np.stack(list(pixels))
                bar.advance(len(chunk))

    def unreadable(self, split: Split) -> list[ImageFileError]:
        """Read all files of `split` again; return what is wrong with those that do not decode."""
        return list(self._decoding.broken(self._paths(split), anew=True).values())

    def changed(self) -> list[str]:
        """Read all files again; return those that changed while size and time did not."""
        return self._hashes.changed(self._paths(*self.present()))

    def without_unreadable(self) -> MarketLayout:
        """Return the data set without the files that cannot be decoded."""
        return type(self)(
            {**self.config.model_dump(), "on_corrupt": "skip"},
            image_size=self.image_size,
            root=self.root,
            cache_dir=self.cache_dir,
            progress=self.progress,
            workers=self.workers,
        )

    def left_out(self) -> list[str]:
        """Return lines that count and name what lies in the folders and is not used."""
        return self._checked.left_out(self.present())

    def warnings(self) -> list[str]:
        """Return what is unusual about the data, yet usable."""
        present = self.present()
        lines = self.left_out()
        lines += self._single_images() + self._blind_cameras() if "train" in present else []
        lost = self._checked.unmatched() if {"query", "gallery"} <= set(present) else 0
        if lost:
            lines.append(f"{lost} queries have no match in the gallery and are not scored")
        return lines

    def present(self) -> tuple[Split, ...]:
        """Return the splits whose folders there are."""
        return tuple(split for split in SPLITS if is_folder(self.folder / FOLDERS[split]))

    def _single_images(self) -> list[str]:
        counts = Counter(label.pid for label in self.labels("train") if label.is_person)
        single = sorted(pid for pid, count in counts.items() if count == 1)
        if not single:
            return []
        return [f"{len(single)} training identities have a single image ({listed(single, 5)})"]

    def _blind_cameras(self) -> list[str]:
        """Return a line on cameras of any split that have no training images."""
        cameras = {s: {label.camid for label in self.labels(s)} for s in self.present()}
        missing = sorted(set().union(*cameras.values()) - cameras["train"])
        return [f"cameras without a training image: {listed(missing)}"] if missing else []

    @cached_property
    def _hashes(self) -> FileHashes:
        store = self.cache_dir / f"{self.name}-files.json"
        return FileHashes(self.folder, store, self.progress, f"hashing {self.name}")

    def _paths(self, *splits: Split) -> list[str]:
        return [f"{FOLDERS[split]}/{name}" for split in splits for name in self.names(split)]

    def _compute_manifest(self) -> str:
        """Hash path, size and SHA-256 of every file; known files are not read again."""
        content = self._hashes.content(self._paths(*self.present()))
        return fingerprint({"layout": "market1501", "files": content})
