"""Data sets that open some splits only: what an experiment must not read it cannot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from benchmark.core.errors import DataError
from benchmark.core.image_set import ImageSet
from benchmark.data.dataset import Dataset, Split
from benchmark.data.image_label import ImageLabel
from benchmark.runner.datasets import RunDatasets


class ClosedDataset:
    """What a data set tells without its closed splits; it offers nothing else.

    Args:
        dataset: The data set.
        opens: Splits that may be read.
    """

    def __init__(self, dataset: Dataset, opens: frozenset[Split]) -> None:
        self._dataset, self._opens = dataset, opens
        self.name = dataset.name

    def present(self) -> tuple[Split, ...]:
        """Return the splits that there are and that may be read."""
        return tuple(split for split in self._dataset.present() if split in self._opens)

    def manifest_sha256(self) -> str:
        """Return the hash of the whole content, which tells nothing of any image."""
        return self._dataset.manifest_sha256()

    def warnings(self) -> list[str]:
        """Return what is unusual about the data."""
        return self._dataset.warnings()

    def names(self, split: Split) -> tuple[str, ...]:
        """Return the file names of an open split."""
        return self._dataset.names(self._checked(split))

    def labels(self, split: Split) -> Sequence[ImageLabel]:
        """Return what is known of the images of an open split."""
        return self._dataset.labels(self._checked(split))

    def files(self, split: Split) -> Iterator[tuple[str, bytes]]:
        """Yield name and bytes of each file of an open split."""
        return self._dataset.files(self._checked(split))

    def split(self, split: Split) -> ImageSet:
        """Return the images of an open split."""
        return self._dataset.split(self._checked(split))

    def _checked(self, split: Split) -> Split:
        if split in self._opens:
            return split
        raise DataError(
            f"this experiment may not look at the split {split!r} of {self.name}",
            "choose on held-out training identities; test splits are for the final measurement",
        )


class ClosedDatasets(RunDatasets):
    """Hands out some splits of data sets and refuses all others.

    Args:
        datasets: All of them.
        names: Names of its data sets.
        opens: Splits that may be read.
    """

    def __init__(self, datasets: RunDatasets, names: Iterable[str], opens: Iterable[Split]) -> None:
        self.queries, self._chosen = datasets.queries, {}
        self._closed = {n: ClosedDataset(datasets.dataset(n), frozenset(opens)) for n in names}

    def dataset(self, name: str) -> Dataset:
        """Return a data set without its closed splits."""
        return self._closed[name]  # type: ignore[return-value]

    def manifests(self) -> dict[str, str]:
        """Return the hash of the content of each data set."""
        return {name: closed.manifest_sha256() for name, closed in self._closed.items()}
