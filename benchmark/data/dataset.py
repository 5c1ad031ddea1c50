"""What every data set offers: three splits, an identity of its content, and a card."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmark.core.errors import UsageError
from benchmark.core.fingerprint import fingerprint
from benchmark.core.image_set import ImageSet
from benchmark.core.plugin import Plugin, PluginConfig
from benchmark.core.progress import Progress
from benchmark.data.cache import PixelCache
from benchmark.data.image_file import ImageFileError
from benchmark.data.image_label import ImageLabel, SplitCounts, market_label
from benchmark.data.layout import SPLITS, Split, parse_name
from benchmark.data.split_statistics import split_statistics

CACHE_VERSION = 1


class Dataset(Plugin, ABC):
    """A ReID data set.

    Args:
        config: The class's `Config`, or a mapping to make one from.
        image_size: Height and width of the images; None takes the data set's own.
        root: Folder on disk that holds the data; rendered data sets ignore it.
        cache_dir: Folder for decoded pixels.
        progress: Reporter of long work.
        workers: Processes or threads to decode with; None takes all cores.

    Raises:
        UsageError: The configuration or the image size is unusable.
    """

    rendered: ClassVar[bool] = False
    """Whether code makes every pixel, so that images may be kept in figures: nobody is shown."""

    published: ClassVar[Mapping[Split, SplitCounts]] = {}
    """What the paper states of each split; empty where nothing is known."""

    source: ClassVar[str] = ""
    """Where the files are asked for, in one line."""

    folder_names: ClassVar[tuple[str, ...]] = ()
    """Usual names of the folder that holds the files, the most usual first."""

    restricted: ClassVar[str] = ""
    """Why the data set is read only by those who say that they know; empty where it is free."""

    @property
    def cameras(self) -> bool:
        """Whether cameras are known. If not, each image is its own camera: ranking then leaves
        out the query's own image and nothing else.
        """
        return True

    def __init__(
        self,
        config: PluginConfig | Mapping[str, Any] | None = None,
        *,
        image_size: tuple[int, int] | None = None,
        root: Path | None = None,
        cache_dir: Path,
        progress: Progress,
        workers: int | None = None,
    ) -> None:
        given = config.model_dump() if isinstance(config, PluginConfig) else dict(config or {})
        self.config = self.parse_config(given)
        size = image_size or self.default_image_size()
        if min(size) < 8 or max(size) > 2048:
            raise UsageError(
                f"image size {size[0]}x{size[1]} is out of range",
                "give height and width between 8 and 2048 pixels, such as 256x128",
            )
        self.image_size = (int(size[0]), int(size[1]))
        self.root, self.cache_dir = root, cache_dir
        self.progress, self.workers = progress, workers
        self._splits: dict[Split, ImageSet] = {}
        self._manifest: str | None = None

    @abstractmethod
    def default_image_size(self) -> tuple[int, int]:
        """Return height and width that the data set takes when none are given."""

    @abstractmethod
    def names(self, split: Split) -> tuple[str, ...]:
        """Return the file names of `split`, sorted; reads no pixels."""

    @abstractmethod
    def files(self, split: Split) -> Iterator[tuple[str, bytes]]:
        """Yield name and bytes of each file of `split`, in the order of `names`."""

    @abstractmethod
    def _decoded(self, split: Split) -> Iterator[NDArray[np.uint8]]:
        """Yield pixels uint8 (n, H, W, 3) of `split`, in the order of `names`."""

    @abstractmethod
    def _compute_manifest(self) -> str:
        """Return the SHA-256 that identifies the content."""

    @abstractmethod
    def _about(self) -> dict[str, Any]:
        """Return the card without name, size, manifest and statistics."""

    def expected(self) -> Mapping[Split, SplitCounts]:
        """Return the published counts of what this configuration reads; empty if unknown."""
        return self.published

    def known_sha256(self) -> str:
        """Return the hash of the content that every sound copy has; empty if it is not known."""
        return ""

    def present(self) -> tuple[Split, ...]:
        """Return the splits that there are; a set may be for testing or for training only."""
        return SPLITS

    def unreadable(self, split: Split) -> list[ImageFileError]:
        """Read all files of `split` again; return what is wrong with those that do not decode."""
        return []

    def conversions(self, split: Split) -> list[str]:
        """Return lines that count the images of `split` that are not read as they are."""
        return []

    def changed(self) -> list[str]:
        """Read all files again; return those that changed while size and time did not."""
        return []

    def without_unreadable(self) -> Dataset:
        """Return the data set without the files that cannot be decoded."""
        return self

    def left_out(self) -> list[str]:
        """Return lines that count and name what lies beside the images and is not used."""
        return []

    def warnings(self) -> list[str]:
        """Return what is unusual about the data, yet usable."""
        return []

    def manifest_sha256(self) -> str:
        """Return the SHA-256 that identifies the content; renders nothing."""
        if self._manifest is None:
            self._manifest = self._compute_manifest()
        return self._manifest

    @property
    def cache(self) -> PixelCache:
        """The pixels on disk at this image size."""
        key = fingerprint(
            {
                "cache": CACHE_VERSION,
                "manifest": self.manifest_sha256(),
                "image_size": list(self.image_size),
            }
        )
        return PixelCache(self.cache_dir / f"{self.name}-{key[:8]}")

    def split(self, split: Split) -> ImageSet:
        """Return one split; renders or decodes it on the first call, then maps it from the cache.

        Raises:
            DataError: Images are missing or broken.
            EnvironmentProblem: The cache cannot be written.
        """
        if split not in self._splits:
            names, labels = self.names(split), self.labels(split)
            pixels = self.cache.load(split, names, self.image_size, lambda: self._decoded(split))
            self._splits[split] = labelled_images(pixels, labels)
        return self._splits[split]

    def labels(self, split: Split) -> Sequence[ImageLabel]:
        """Return what is known of the images of `split`, in the order of `names`.

        Reads no pixels. By default the names say it, as in Market-1501.
        """
        return [market_label(name, parse_name(name)) for name in self.names(split)]

    def card(self) -> dict[str, Any]:  # type: ignore[override]
        """Return what the data set is, what it is not, its licence and its statistics."""
        return {
            "name": self.name,
            **self._about(),
            "image_size": list(self.image_size),
            "config": self.config.model_dump(mode="json"),
            "manifest_sha256": self.manifest_sha256(),
            "statistics": {split: split_statistics(self.labels(split)) for split in self.present()},
        }


def labelled_images(pixels: NDArray[np.uint8], labels: Sequence[ImageLabel]) -> ImageSet:
    """Return the images (N, H, W, 3) with what is known of each."""
    return ImageSet(
        pixels,
        np.array([label.pid for label in labels], np.int64),
        np.array([label.camid for label in labels], np.int64),
        tuple(label.name for label in labels),
        junk=np.array([label.junk for label in labels], np.bool_),
        distractor=np.array([label.distractor for label in labels], np.bool_),
    )


__all__ = ["Dataset", "Split"]
