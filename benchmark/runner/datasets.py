"""The data sets of a run, opened once and read when first needed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.config.data_roots import DATA_VARIABLE, DataRoots, folders_of_environment
from benchmark.config.schema import RunConfig
from benchmark.core.errors import DataError
from benchmark.core.image_set import ImageSet
from benchmark.core.progress import Progress
from benchmark.data.dataset import Dataset, Split
from benchmark.data.image_label import ImageLabel
from benchmark.data.joint import JointDataset
from benchmark.data.roots import FoundRoot, RootSearch
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
        roots: Where each data set lies; joint ones are not among them, their sources are.
    """

    def __init__(self, config: RunConfig, choice: Choice, progress: Progress) -> None:
        members = {one.name: one for plugin in choice.sources.values() for one in _members(plugin)}
        self.roots = find_roots(members, config.data_root, config.dataset_config)
        self.queries, self._options = config.queries, config.dataset_config
        self._chosen: dict[str, NDArray[np.int64]] = {}
        self._plugins: dict[str, type[Dataset]] = {**members, **choice.sources}
        self._datasets: dict[str, Dataset] = {}
        self._names = tuple(choice.sources)
        self._open = partial(
            open_dataset,
            image_size=config.image_size,
            size=config.size,
            cache_dir=config.cache_dir,
            progress=progress,
            on_corrupt=config.on_corrupt,
        )

    def dataset(self, name: str) -> Dataset:
        """Return a data set of this run.

        Raises:
            DataError: Its folder was not found.
        """
        if name not in self._datasets:
            plugin = self._plugins[name]
            if issubclass(plugin, JointDataset):
                self._datasets[name] = plugin([self.dataset(one.name) for one in plugin.members])
            elif (problem := self.roots[name].problem) is not None:
                raise problem
            else:
                options = self._options.get(name, {})
                root = self.roots[name].path
                self._datasets[name] = self._open(plugin, root=root, options=options)
        return self._datasets[name]

    def members(self, reads: Mapping[str, Sequence[Split]]) -> dict[str, tuple[Split, ...]]:
        """Return the splits that are read of sets on disk, for splits of sets that may be joint."""
        found: dict[str, dict[Split, None]] = {}
        for name, splits in reads.items():
            for plugin in _members(self._plugins[name]):
                found.setdefault(plugin.name, {}).update(dict.fromkeys(splits))
        return {name: tuple(splits) for name, splits in found.items()}

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

    def without_cameras(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the data sets of which nobody knows the cameras."""
        return tuple(name for name in names if not self.dataset(name).cameras)

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
        return {name: self.dataset(name).manifest_sha256() for name in self._names}


def find_roots(
    sets: Mapping[str, type[Dataset]],
    given: DataRoots,
    options: Mapping[str, Mapping[str, Any]],
) -> dict[str, FoundRoot]:
    """Return where data sets lie: in the given roots, else in those of the environment.

    Args:
        sets: The data sets, by name.
        given: The given roots.
        options: Options of data sets, by name.

    Raises:
        UsageError: A root is of no use to these data sets, or could be either of two.
        DataError: A folder that was given holds none of them.
    """
    needed = any(not plugin.rendered for plugin in sets.values())
    further = folders_of_environment() if needed else ()
    return RootSearch(given.named, given.folders, further, DATA_VARIABLE, options).find(sets)


def _members(plugin: type[Dataset]) -> tuple[type[Dataset], ...]:
    return plugin.members if issubclass(plugin, JointDataset) else (plugin,)


def open_dataset(
    plugin: type[Dataset],
    *,
    image_size: tuple[int, int] | None,
    size: str | None,
    root: Path | None,
    cache_dir: Path,
    progress: Progress,
    on_corrupt: str | None = None,
    options: Mapping[str, Any] | None = None,
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
        options: Options of its own, which go before the others.
    """
    given = {"size": size, "on_corrupt": on_corrupt}
    known = plugin.Config.model_fields
    common = {key: value for key, value in given.items() if value is not None and key in known}
    own = {**common, **(options or {})}
    return plugin(own, image_size=image_size, root=root, cache_dir=cache_dir, progress=progress)
