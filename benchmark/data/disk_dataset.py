"""Data sets whose images lie on disk: what each of them has in common, whatever its layout."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.core.errors import DataError, UsageError
from benchmark.core.fingerprint import fingerprint
from benchmark.core.listing import listed
from benchmark.core.plugin import PluginConfig
from benchmark.data.checked_splits import CheckedSplits, SplitListing
from benchmark.data.corrupt import DecodingCheck
from benchmark.data.dataset import Dataset
from benchmark.data.decode import decode_noted, notes_of_file
from benchmark.data.file_hashes import FileHashes
from benchmark.data.folder_listing import is_folder
from benchmark.data.image_file import ImageFileError, read_file
from benchmark.data.image_label import ImageLabel
from benchmark.data.layout import Split

CHUNK = 64
_LOG = logging.getLogger(__name__)


class DiskDataset(Dataset):
    """A data set that is read from a folder.

    Subclasses give `name`, `contents`, `_about`, and say what the folder holds: `_is_here`,
    `present` and `_list`. Decoding, hashing, caching and what is left out are here.
    """

    class Config(PluginConfig):
        """Options."""

        on_corrupt: Literal["fail", "skip"] = "fail"
        """What a file that cannot be decoded does: end the work, or be left out, as if it were
        not there; the hash of the content is then that of the other files."""

    config: Config

    contents: ClassVar[str] = ""
    """What the root folder holds, in words."""

    def default_image_size(self) -> tuple[int, int]:
        """Return 256 x 128, the field's usual size."""
        return 256, 128

    @abstractmethod
    def _is_here(self, folder: Path) -> bool:
        """Whether a folder holds this data set, or a part of it."""

    @abstractmethod
    def present(self) -> tuple[Split, ...]:
        """Return the splits that there are; opens no image."""

    @abstractmethod
    def _list(self, split: Split) -> SplitListing:
        """List the images of `split`.

        Raises:
            DataError: The split is missing, or what names or lists say is unusable.
        """

    @cached_property
    def folder(self) -> Path:
        """The folder that holds the data set: the root, or one of the usual name in it.

        Raises:
            DataError: The root is not given, is missing, or holds nothing of the kind.
        """
        hint = f"pass --data-root DIR, where DIR holds {self.contents}"
        if self.root is None:
            raise DataError(f"the data set {self.name} needs files, and no root was given", hint)
        if not is_folder(self.root):
            raise DataError(f"no folder {self.root} for the data set {self.name}", hint)
        for candidate in (self.root, *(self.root / name for name in self.folder_names)):
            if self._is_here(candidate):
                return candidate
        root = self.root.resolve()
        if self._is_here(root.parent):
            hint = f"pass --data-root {root.parent}, the folder that holds {root.name}"
        raise DataError(f"{self.root} holds none of {self.contents}", hint)

    @property
    def image_folder(self) -> Path:
        """The folder that paths of images are relative to."""
        return self.folder

    def labels(self, split: Split) -> Sequence[ImageLabel]:
        """Return what is known of the images of `split`, in the order of names, after checks.

        Raises:
            DataError: The split is missing or empty, what it says of images is unusable, or no
                query has a match in the gallery.
            UsageError: The data set is restricted, and nobody said that they know.
        """
        return tuple(self._checked[split].values())

    def names(self, split: Split) -> tuple[str, ...]:
        """Return the names of the images of `split`, sorted; raises what `labels` does."""
        return tuple(label.name for label in self.labels(split))

    @cached_property
    def _checked(self) -> CheckedSplits:
        if self.restricted and not getattr(self.config, "acknowledge_withdrawn", False):
            raise UsageError(
                f"the data set {self.name} is not read unasked: {self.restricted}",
                "if you hold it lawfully and have reasons to use it, say so with "
                f"--set dataset_config.{self.name}.acknowledge_withdrawn=true",
            )
        return CheckedSplits(self.folder, self._list, self._broken)

    @cached_property
    def _decoding(self) -> DecodingCheck:
        store = self.cache_dir / f"{self.name}-decoding.json"
        return DecodingCheck(self.image_folder, store, self.progress, self.workers)

    def _broken(self, paths: list[str]) -> list[str]:
        """Return the files to leave out; none unless so configured."""
        return [] if self.config.on_corrupt == "fail" else list(self._decoding.broken(paths))

    def _paths(self, *splits: Split) -> list[str]:
        return [path for split in splits for path in self._checked[split]]

    def files(self, split: Split) -> Iterator[tuple[str, bytes]]:
        """Yield name and bytes of each file of `split`, in the order of `names`."""
        for path, label in self._checked[split].items():
            yield label.name, read_file(self.image_folder / path)

    def _decoded(self, split: Split) -> Iterator[NDArray[np.uint8]]:
        for warning in self._single_images() if split == "train" else []:
            _LOG.warning("%s: %s", self.name, warning)
        paths, notes = self._paths(split), Counter[str]()
        left = iter(paths)
        with (
            self.progress.task(f"decoding {self.name} {split}", len(paths)) as bar,
            ThreadPoolExecutor(self.workers) as pool,
        ):
            while chunk := [self.image_folder / path for path in islice(left, CHUNK)]:
                found = list(pool.map(lambda path: decode_noted(path, self.image_size), chunk))
                notes.update(note for _, made in found for note in made)
                yield np.stack([pixels for pixels, _ in found])
                bar.advance(len(chunk))
        for line in _conversions(split, notes):
            _LOG.warning("%s: %s", self.name, line)

    def conversions(self, split: Split) -> list[str]:
        """Return lines that count the images of `split` that are not read as they are."""
        notes = Counter[str]()
        for path in self._paths(split):
            with suppress(ImageFileError):  # told by `unreadable`
                notes.update(notes_of_file(self.image_folder / path))
        return _conversions(split, notes)

    def unreadable(self, split: Split) -> list[ImageFileError]:
        """Read all files of `split` again; return what is wrong with those that do not decode."""
        return list(self._decoding.broken(self._paths(split), anew=True).values())

    def changed(self) -> list[str]:
        """Read all files again; return those that changed while size and time did not."""
        return self._hashes.changed(self._paths(*self.present()))

    def without_unreadable(self) -> DiskDataset:
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
        """Return lines that count and name what lies beside the images and is not used."""
        return self._checked.left_out(self.present())

    def warnings(self) -> list[str]:
        """Return what is unusual about the data, yet usable."""
        present = self.present()
        lines = self.left_out()
        lines += self._single_images() + self._blind_cameras() if "train" in present else []
        lost = self._checked.unmatched() if {"query", "gallery"} <= set(present) else 0
        if lost:
            lines.append(f"{lost} queries have no match in the gallery and are not scored")
        if not self.cameras:
            lines.append(
                "cameras are unknown: ranking leaves out a query's own image and nothing else; "
                "compare with no result that knows them"
            )
        return lines

    def _single_images(self) -> list[str]:
        counts = Counter(label.pid for label in self.labels("train") if label.is_person)
        single = sorted(pid for pid, count in counts.items() if count == 1)
        if not single:
            return []
        return [f"{len(single)} training identities have a single image ({listed(single, 5)})"]

    def _blind_cameras(self) -> list[str]:
        """Return a line on cameras of any split that have no training images."""
        if not self.cameras:
            return []
        cameras = {s: {label.camid for label in self.labels(s)} for s in self.present()}
        missing = sorted(set().union(*cameras.values()) - cameras["train"])
        return [f"cameras without a training image: {listed(missing)}"] if missing else []

    @cached_property
    def _hashes(self) -> FileHashes:
        store = self.cache_dir / f"{self.name}-files.json"
        return FileHashes(self.image_folder, store, self.progress, f"hashing {self.name}")

    def _compute_manifest(self) -> str:
        """Hash path, size and SHA-256 of every file; known files are not read again."""
        content = self._hashes.content(self._paths(*self.present()))
        return fingerprint({**self._said(), "files": content})

    def _said(self) -> Mapping[str, object]:
        """Return what identifies the content beside the files: layout and labels."""
        labels = {
            split: [
                [path, one.pid, one.camid, one.junk, one.distractor, one.sequence, one.frame]
                for path, one in self._checked[split].items()
            ]
            for split in self.present()
        }
        return {"layout": self.name, "labels": labels}


def _conversions(split: Split, notes: Mapping[str, int]) -> list[str]:
    return [f"{count} images of {split} are {note}" for note, count in notes.items()]
