"""Data sets that lie on disk in the layout of Market-1501."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import IO, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.core.errors import DataError
from benchmark.core.fingerprint import fingerprint, sha256_file
from benchmark.core.plugin import PluginConfig
from benchmark.data.cache import publish
from benchmark.data.corrupt import DecodingCheck, skipped_line
from benchmark.data.dataset import Dataset
from benchmark.data.decode import decode_file
from benchmark.data.layout import FOLDERS, SPLITS, ImageName, Split, list_images, parse_name

CHUNK = 64
_LOG = logging.getLogger(__name__)


class MarketLayout(Dataset):
    """A data set in three folders named as Market-1501 names them.

    Subclasses give `name`, `folders_within` and `_about`.
    """

    class Config(PluginConfig):
        """Options."""

        on_corrupt: Literal["fail", "skip"] = "fail"
        """What a file that cannot be decoded does: end the work, or be left out, as if it were
        not there; the hash of the content is then that of the other files."""

    config: Config

    folders_within: ClassVar[tuple[str, ...]] = ()
    """Sub-folders of the root that may hold the three folders."""

    def default_image_size(self) -> tuple[int, int]:
        """Return 256 x 128, the field's usual size."""
        return 256, 128

    @cached_property
    def folder(self) -> Path:
        """The folder that holds the three folders.

        Raises:
            DataError: The root is not given, is missing, or holds nothing of the kind.
        """
        mend = f"pass --data-root DIR, where DIR holds {', '.join(FOLDERS.values())}"
        if self.root is None:
            raise DataError(f"the data set {self.name} needs files, and no root was given", mend)
        if not self.root.is_dir():
            raise DataError(f"no folder {self.root} for the data set {self.name}", mend)
        for candidate in (self.root, *(self.root / sub for sub in self.folders_within)):
            if any((candidate / folder).is_dir() for folder in FOLDERS.values()):
                return candidate
        raise DataError(f"{self.root} holds none of {', '.join(FOLDERS.values())}", mend)

    def names(self, split: Split) -> tuple[str, ...]:
        """Return the file names of `split`, sorted, after checking what they say.

        Raises:
            DataError: The folder is missing or empty, a name does not follow the pattern, or no
                query has a match in the gallery.
        """
        return self._checked[split]

    @cached_property
    def _checked(self) -> _Names:
        return _Names(self.folder, self._broken)

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
        return [path.removeprefix(f"{within}/") for path in broken]

    def _path(self, split: Split, name: str) -> Path:
        return self.folder / FOLDERS[split] / name

    def files(self, split: Split) -> Iterator[tuple[str, bytes]]:
        """Yield name and bytes of each file of `split`, in the order of `names`."""
        for name in self.names(split):
            yield name, self._path(split, name).read_bytes()

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

    def unreadable(self, split: Split) -> list[str]:
        """Return one line for each file of `split` that cannot be decoded."""
        lines = []
        for name in self.names(split):
            try:
                decode_file(self._path(split, name), (8, 8))
            except DataError as error:
                lines.append(error.what)
        return lines

    def warnings(self) -> list[str]:
        """Return what is unusual about the data, yet usable."""
        present = self.present()
        skipped = [
            f"{FOLDERS[split]}/{name}" for split in present for name in self._checked.skipped(split)
        ]
        lines = [skipped_line(skipped)] if skipped else []
        lines += self._single_images() + self._blind_cameras() if "train" in present else []
        lost = self._checked.unmatched() if {"query", "gallery"} <= set(present) else 0
        if lost:
            lines.append(f"{lost} queries have no match in the gallery and are not scored")
        return lines

    def present(self) -> tuple[Split, ...]:
        """Return the splits whose folders there are."""
        return tuple(split for split in SPLITS if (self.folder / FOLDERS[split]).is_dir())

    def _single_images(self) -> list[str]:
        counts = Counter(label.pid for label in self.labels("train") if label.pid > 0)
        single = sorted(pid for pid, count in counts.items() if count == 1)
        if not single:
            return []
        shown = ", ".join(map(str, single[:5])) + (" …" if len(single) > 5 else "")
        return [f"{len(single)} training identities have a single image ({shown})"]

    def _blind_cameras(self) -> list[str]:
        """Return a line on cameras, up to the highest one of any split, without training images."""
        cameras = {s: {label.camid for label in self.labels(s)} for s in self.present()}
        highest = max(max(found) for found in cameras.values())
        missing = sorted(set(range(1, highest + 1)) - cameras["train"])
        listed = ", ".join(map(str, missing))
        return [f"cameras without a training image: {listed}"] if missing else []

    def _compute_manifest(self) -> str:
        """Hash path, size and SHA-256 of every file; known files are not read again."""
        store = self.cache_dir / f"{self.name}-files.json"
        known: dict[str, Any] = {}
        try:
            stored = json.loads(store.read_text(encoding="utf-8"))
            if stored.get("root") == str(self.folder.resolve()):
                known = stored["files"]
        except (OSError, ValueError, KeyError, AttributeError):
            known = {}
        present = self.present()
        total = sum(len(self.names(split)) for split in present)
        files: dict[str, list[Any]] = {}
        with self.progress.task(f"hashing {self.name}", total) as bar:
            for split in present:
                for name in self.names(split):
                    path = self._path(split, name)
                    stat = path.stat()
                    stamp = [stat.st_size, stat.st_mtime_ns]
                    entry = known.get(f"{FOLDERS[split]}/{name}")
                    if not (isinstance(entry, list) and len(entry) == 3 and entry[:2] == stamp):
                        entry = [*stamp, sha256_file(path)]
                    files[f"{FOLDERS[split]}/{name}"] = entry
                    bar.advance()
        if files != known:
            record = json.dumps({"root": str(self.folder.resolve()), "files": files})
            publish(store, lambda stream: _put(stream, record))
        content = sorted([path, entry[0], entry[2]] for path, entry in files.items())
        return fingerprint({"layout": "market1501", "files": content})


class _Names:
    """Checked file names of the three folders, each listed when first asked for."""

    def __init__(self, folder: Path, broken: Callable[[Split, list[str]], list[str]]) -> None:
        self._folder, self._broken = folder, broken
        self._skipped: dict[Split, list[str]] = {}
        self._labels: dict[Split, dict[str, ImageName]] = {}

    def __getitem__(self, split: Split) -> tuple[str, ...]:
        names = tuple(self._listed(split))
        if split != "train" and self.unmatched() == len(self._listed("query")):
            raise DataError(
                f"no query in {self._folder} has a match in the gallery",
                "the gallery must show queried identities from other cameras",
            )
        return names

    def _listed(self, split: Split) -> dict[str, ImageName]:
        if split not in self._labels:
            folder = self._folder / FOLDERS[split]
            labels = {}
            for name in list_images(folder):
                try:
                    labels[name] = parse_name(name)
                except DataError as error:
                    raise DataError(f"{folder}: {error.what}", error.mend) from error
            self._skipped[split] = self._broken(split, list(labels))
            for name in self._skipped[split]:
                del labels[name]
            if not labels:
                raise DataError(
                    f"none of the {len(self._skipped[split])} images in {folder} can be decoded",
                    "fetch the files again",
                )
            self._labels[split] = labels
        return self._labels[split]

    def skipped(self, split: Split) -> list[str]:
        """Return the names of files that were left out because they cannot be decoded."""
        self._listed(split)
        return self._skipped[split]

    def unmatched(self) -> int:
        """Return how many queries no gallery image of another camera matches."""
        gallery: dict[int, set[int]] = {}
        for label in self._listed("gallery").values():
            gallery.setdefault(label.pid, set()).add(label.camid)
        return sum(
            not (gallery.get(label.pid, set()) - {label.camid}) or label.pid <= 0
            for label in self._listed("query").values()
        )


def _put(stream: IO[bytes], text: str) -> None:
    stream.write(text.encode())
