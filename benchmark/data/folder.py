"""Data sets that lie on disk in the layout of Market-1501."""

from __future__ import annotations

import io
import json
import logging
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from benchmark.core.errors import DataError
from benchmark.core.fingerprint import fingerprint, sha256_file
from benchmark.data.cache import publish
from benchmark.data.dataset import Dataset
from benchmark.data.layout import FOLDERS, SPLITS, ImageName, Split, list_images, parse_name

CHUNK = 64
_LOG = logging.getLogger(__name__)


def decode_file(path: Path, image_size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the pixels (H, W, 3) of an image file at `image_size`.

    Raises:
        DataError: The file is truncated, not an image, or cannot be read.
    """
    height, width = image_size
    try:
        with Image.open(io.BytesIO(path.read_bytes())) as picture:
            rgb = picture.convert("RGB")
        if rgb.size != (width, height):
            rgb = rgb.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(rgb)
    except (OSError, ValueError, SyntaxError, MemoryError) as error:
        reason = "it is not an image" if isinstance(error, UnidentifiedImageError) else error
        raise DataError(
            f"cannot decode the image {path}: {reason}",
            "fetch the file again, or remove it from the data set",
        ) from error
    except Image.DecompressionBombError as error:
        raise DataError(f"the image {path} is too large: {error}", "remove it") from error


class MarketLayout(Dataset):
    """A data set in three folders named as Market-1501 names them.

    Subclasses give `name`, `folders_within` and `_about`.
    """

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
        return _Names(self.folder)

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
        lines = self._single_images() if "train" in present else []
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

    def __init__(self, folder: Path) -> None:
        self._folder = folder
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
            self._labels[split] = labels
        return self._labels[split]

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
