"""Rows of non-negative numbers of which most are zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# scipy.sparse has this too, all but `shared`; scipy is no requirement of the benchmark.


@dataclass(frozen=True)
class SparseRows:
    """N rows, of each the columns that are not zero, and their values.

    Attributes:
        starts: int64 (N + 1,), where each row starts among the entries, and the end of the last.
        columns: int32 (E,).
        values: float32 (E,).
    """

    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        rows: int,
        owners: NDArray[np.int64],
        columns: NDArray[np.int64],
        values: NDArray[np.floating],
    ) -> SparseRows:
        """Build rows from entries (E,) that are sorted by their owner."""
        starts = np.searchsorted(owners, np.arange(rows + 1))
        return cls(starts, columns.astype(np.int32), values.astype(np.float32))

    @classmethod
    def stacked(cls, first: SparseRows, second: SparseRows) -> SparseRows:
        """Return the rows of both, one after the other."""
        return cls(
            np.concatenate([first.starts, first.starts[-1] + second.starts[1:]]),
            np.concatenate([first.columns, second.columns]),
            np.concatenate([first.values, second.values]),
        )

    def sums(self) -> NDArray[np.float64]:
        """Return (N,) the sum of each row."""
        found = np.bincount(self._owners(), self.values, minlength=len(self.starts) - 1)
        return found.astype(np.float64, copy=False)

    def normalised(self) -> SparseRows:
        """Return the rows divided by their sums; an empty one stays empty."""
        sums = self.sums()[self._owners()]
        return SparseRows(self.starts, self.columns, (self.values / sums).astype(np.float32))

    def means(self, index: NDArray[np.int64], at_once: int = 2**12) -> SparseRows:
        """Return (B,) rows, each the mean of K of these.

        Args:
            index: (B, K) which of these.
            at_once: Rows that are added up together.
        """
        parts = []
        width = int(self.columns.max(initial=0)) + 1
        for start in range(0, len(index), at_once):
            chosen = index[start : start + at_once]
            places, source = self._entries(chosen.ravel())
            owners = start + source // index.shape[1]
            keys, same = np.unique(owners * width + self.columns[places], return_inverse=True)
            values = np.bincount(same, self.values[places], minlength=len(keys)) / index.shape[1]
            parts.append((keys // width, keys % width, values))
        owners, columns, values = (np.concatenate(side) for side in zip(*parts, strict=True))
        return SparseRows.of(len(index), owners, columns, values)

    def transposed(self, columns: int) -> SparseRows:
        """Return the columns as rows; there are so many."""
        order = np.argsort(self.columns, kind="stable")
        owners = self._owners()[order]
        ordered = self.columns[order].astype(np.int64)
        return SparseRows.of(columns, ordered, owners, self.values[order])

    def shared(self, part: slice, shown_by: SparseRows, others: int) -> NDArray[np.float64]:
        """Return (B, others) the sum over columns of the smaller value of two rows.

        Args:
            part: Which B of these rows.
            shown_by: The other rows, transposed.
            others: How many other rows.
        """
        entries = slice(self.starts[part.start], self.starts[part.stop])
        places, source = shown_by._entries(self.columns[entries])
        owners = self._owners(part)[source]
        smaller = np.minimum(self.values[entries][source], shown_by.values[places])
        keys = owners * others + shown_by.columns[places]
        rows = part.stop - part.start
        found = np.bincount(keys, smaller, minlength=rows * others)
        return found.astype(np.float64, copy=False).reshape(rows, others)

    def _owners(self, part: slice = slice(None)) -> NDArray[np.int64]:
        """Return the row of each entry of some rows, counted from the first of them."""
        lengths = np.diff(self.starts)[part]
        return np.repeat(np.arange(len(lengths)), lengths)

    def _entries(self, rows: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the places of the entries of some rows, and which of those rows each is from."""
        lengths = self.starts[rows + 1] - self.starts[rows]
        source = np.repeat(np.arange(len(rows)), lengths)
        before = np.cumsum(lengths) - lengths
        return self.starts[rows][source] + np.arange(len(source)) - before[source], source
