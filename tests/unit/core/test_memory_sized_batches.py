"""Batches: halved where memory runs out, sized to a device, and left alone where they count."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import torch

from benchmark.core.batches import LARGEST_BATCH, SHARE, Batches, sized_to_memory
from benchmark.core.errors import PluginError
from benchmark.core.out_of_memory import is_out_of_memory
from tests.tiny_scene import CPU

ERRORS: list[Callable[[], Exception]] = [
    lambda: torch.OutOfMemoryError("Tried to allocate 2 GiB"),
    MemoryError,
    lambda: RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
    lambda: RuntimeError("[enforce fail at alloc_cpu.cpp] can't allocate memory"),
    lambda: RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"),
]


def done(count: int, size: int, most: int, error: Callable[[], Exception], **options: bool):
    """Return the batches that memory for `most` images allows."""
    seen: list[tuple[int, int]] = []

    def work(rows: slice) -> None:
        if rows.stop - rows.start > most:
            raise error()
        seen.append((rows.start, rows.stop))

    batches = Batches(count, size, device=CPU.device, owner="x", **{"adjusts": True, **options})
    batches.run(work)
    return seen, batches.halved_to


@pytest.mark.parametrize("error", ERRORS)
def test_a_batch_that_memory_cannot_hold_is_halved(error, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        assert done(10, 8, 3, error) == ([(0, 2), (2, 4), (4, 6), (6, 8), (8, 10)], 2)
    assert [record.getMessage() for record in caplog.records] == [
        "x: memory ran out with 8 images at once; it goes on with 4",
        "x: memory ran out with 4 images at once; it goes on with 2",
    ]


def test_what_fits_stays_as_it_is() -> None:
    assert done(10, 4, 4, MemoryError) == ([(0, 4), (4, 8), (8, 10)], None)
    assert done(0, 4, 4, MemoryError) == ([], None)


def test_a_short_last_batch_that_does_not_fit_is_halved_by_its_own_size() -> None:
    calls: list[int] = []

    def work(rows: slice) -> None:
        calls.append(rows.stop - rows.start)
        if rows.start == 8 and calls[-1] > 1:
            raise MemoryError

    Batches(11, 8, adjusts=True, device=CPU.device, owner="x").run(work)
    assert calls == [8, 3, 1, 1, 1]


@pytest.mark.parametrize("error", ERRORS)
def test_one_image_or_a_batch_that_counts_is_an_error(error) -> None:
    with pytest.raises(Exception, match=r".*") as caught:
        done(4, 4, 0, error)
    assert is_out_of_memory(caught.value)
    with pytest.raises(type(error())):
        done(4, 4, 2, error, adjusts=False)


def test_other_errors_are_not_tried_again() -> None:
    for error in (ValueError("no"), RuntimeError("shapes cannot be multiplied")):
        calls = []

        def work(rows: slice, error: Exception = error, calls: list[slice] = calls) -> None:
            calls.append(rows)
            raise error

        with pytest.raises(type(error)):
            Batches(4, 4, adjusts=True, device=CPU.device, owner="x").run(work)
        assert len(calls) == 1


def test_it_is_found_behind_the_error_of_a_plugin() -> None:
    error = PluginError("x: the encoder raised OutOfMemoryError")
    assert not is_out_of_memory(error)
    error.__cause__ = torch.OutOfMemoryError("Tried to allocate 2 GiB")
    assert is_out_of_memory(error)


class Memory:
    """A device of which an image takes so many bytes, beside what the first pass takes once."""

    total_bytes = 1000

    def __init__(self, each: int, once: int = 0) -> None:
        self._each, self._once = each, once
        self._taken = 0

    def begin(self) -> None:
        self._taken = 0

    def taken_bytes(self) -> int:
        return self._taken

    def trial(self, images: int) -> None:
        self._taken += self._once + self._each * images
        self._once = 0
        if self._taken > self.total_bytes:
            raise torch.OutOfMemoryError("Tried to allocate more")


@pytest.mark.parametrize(
    ("each", "size"), [(1, 256), (10, 32), (62, 8), (63, 4), (200, 4), (500, 4)]
)
def test_a_batch_fills_the_share_of_a_device_that_it_may_take(each: int, size: int) -> None:
    memory = Memory(each, once=400)
    assert sized_to_memory(4, 300, memory.trial, memory) == size
    assert size == 4 or size * each <= SHARE * memory.total_bytes


def test_no_batch_is_larger_than_it_need_be() -> None:
    memory = Memory(0)
    assert sized_to_memory(64, 10**6, memory.trial, memory) == LARGEST_BATCH
    assert sized_to_memory(64, 100, memory.trial, memory) == 128
    assert sized_to_memory(48, 10**6, memory.trial, memory) == 768
    assert sized_to_memory(64, 60, memory.trial, memory) == 64


def test_a_trial_tells_of_other_errors_and_is_left_out_where_batches_stay() -> None:
    def fails(images: int) -> None:
        raise ValueError("no")

    assert sized_to_memory(4, 300, fails, None) == 4
    with pytest.raises(ValueError, match="no"):
        sized_to_memory(4, 300, fails, Memory(1))
