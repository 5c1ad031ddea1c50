"""The data sets of a run, opened once and read when first needed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.config.schema import RunConfig
from benchmark.core.errors import DataError, UsageError
from benchmark.core.image_set import ImageSet
from benchmark.core.progress import Progress
from benchmark.data.dataset import Dataset, Split
from benchmark.data.image_label import ImageLabel
from benchmark.evaluation.query_choice import choose_queries
from benchmark.runner.cells.work import Work, splits_read
from benchmark.runner.choice import Choice

logger = logging.getLogger(__name__)


class RunDatasets:
    """Opens the data sets of a run with its options.

    Args:
        config: The configuration.
        choice: What its names stand for.
        progress: Where rendering reports.

    Attributes:
        queries: How many queries of each are used; None: all.
    """

    def __init__(self, config: RunConfig, choice: Choice, progress: Progress) -> None:
        if config.data_root is not None and all(s.rendered for s in choice.sources.values()):
            raise UsageError(
                f"no data set of this run reads files: {', '.join(choice.sources)} would not look "
                f"into {config.data_root}",
                "add --dataset market1501, or leave out --data-root",
            )
        self.queries = config.queries
        self._chosen: dict[str, NDArray[np.int64]] = {}
        self._datasets = {
            name: open_dataset(
                plugin,
                image_size=config.image_size,
                size=config.size,
                root=config.data_root,
                cache_dir=config.cache_dir,
                progress=progress,
                on_corrupt=config.on_corrupt,
            )
            for name, plugin in choice.sources.items()
        }

    def dataset(self, name: str) -> Dataset:
        """Return a data set of this run."""
        return self._datasets[name]

    def split(self, name: str, split: Split) -> ImageSet:
        """Return a split of a data set, or the chosen queries; the first call may render it."""
        images, rows = self.dataset(name).split(split), self._rows(name, split)
        return images if rows is None else images.subset(rows)

    def labels(self, name: str, split: Split) -> Sequence[ImageLabel]:
        """Return what is known of the images of a split, or of the chosen queries."""
        labels, rows = self.dataset(name).labels(split), self._rows(name, split)
        return labels if rows is None else [labels[row] for row in rows]

    def count(self, name: str, split: Split) -> int:
        """Return how many images of a split are used."""
        rows = self._rows(name, split)
        return len(self.dataset(name).names(split)) if rows is None else len(rows)

    def query_counts(self, names: Iterable[str]) -> dict[str, int]:
        """Return how many queries there are, if few are wanted; nothing where it cannot be read."""
        counts: dict[str, int] = {}
        for name in names if self.queries is not None else ():
            with suppress(DataError):  # told to those who read the images
                counts[name] = len(self.dataset(name).names("query"))
        for name, count in counts.items():
            if self.queries is not None and count < self.queries:
                logger.warning("%s has %d queries, not %d: all are used", name, count, self.queries)
        return counts

    def _rows(self, name: str, split: Split) -> NDArray[np.int64] | None:
        """Return the rows of a split that are used; None: all of them."""
        dataset = self.dataset(name)
        if split != "query" or self.queries is None or self.queries >= len(dataset.names(split)):
            return None
        if name not in self._chosen:
            people = [label for label in dataset.labels("gallery") if label.is_person]
            query = dataset.labels("query")
            self._chosen[name] = choose_queries(
                dataset.names("query"),
                np.array([label.pid for label in query], np.int64),
                np.array([label.camid for label in query], np.int64),
                np.array([label.pid for label in people], np.int64),
                np.array([label.camid for label in people], np.int64),
                self.queries,
            )
        return self._chosen[name]

    def check(self, cells: Iterable[Work]) -> None:
        """Look for the images that cells read; reads no pixels.

        Raises:
            DataError: A split is not there.
        """
        for name, splits in splits_read(cells).items():
            for split in splits:
                self.dataset(name).names(split)

    def manifests(self) -> dict[str, str]:
        """Return the hash of the content of each data set; renders nothing.

        Raises:
            DataError: Images are missing.
        """
        return {name: dataset.manifest_sha256() for name, dataset in self._datasets.items()}


def open_dataset(
    plugin: type[Dataset],
    *,
    image_size: tuple[int, int] | None,
    size: str | None,
    root: Path | None,
    cache_dir: Path,
    progress: Progress,
    on_corrupt: str | None = None,
) -> Dataset:
    """Open a data set; an option is for those that have it.

    Args:
        plugin: The data set.
        image_size: (H, W); None takes the data set's own.
        size: For those that are rendered in several sizes.
        root: Folder of its files.
        cache_dir: Folder for decoded pixels.
        progress: Reporter of long work.
        on_corrupt: For those that read files: what one that cannot be decoded does.
    """
    given = {"size": size, "on_corrupt": on_corrupt}
    known = plugin.Config.model_fields
    options = {key: value for key, value in given.items() if value is not None and key in known}
    return plugin(options, image_size=image_size, root=root, cache_dir=cache_dir, progress=progress)
