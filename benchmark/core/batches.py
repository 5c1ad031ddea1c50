"""Batches that memory can hold: sized to a GPU beforehand, halved where memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from benchmark.core.device_memory import DeviceMemory
from benchmark.core.out_of_memory import give_back_memory, is_out_of_memory

logger = logging.getLogger(__name__)

LARGEST_BATCH = 1024
"""Images at once beyond which a GPU is busy whatever the encoder."""
SHARE = 0.5
"""Share of a GPU's memory that a batch may take by the forecast. The rest is for what an attack
holds beside its passes, for gaps between blocks, and for neighbours."""


class Batches:
    """Does a piece of work batch after batch, in order.

    Args:
        count: Images in all.
        size: Images at once.
        adjusts: Whether a batch that memory cannot hold is halved and tried again. Never for a
            random encoder: it draws for a batch, whose size is then part of its results.
        device: Where memory may run out.
        owner: Whose images they are, for the log.
        what: What they are, if not images.

    Attributes:
        halved_to: The size that memory allowed, if it was halved.
    """

    def __init__(
        self,
        count: int,
        size: int,
        *,
        adjusts: bool,
        device: torch.device,
        owner: str,
        what: str = "images",
    ) -> None:
        self._count, self._size, self._adjusts = count, size, adjusts
        self._device, self._owner, self._what = device, owner, what
        self.halved_to: int | None = None

    def run(self, work: Callable[[slice], None]) -> None:
        """Call `work` with the rows of each batch; it may be called again with fewer of them.

        Raises:
            Exception: What `work` raises, if it is not that memory ran out, or with one image.
        """
        start = 0
        while start < self._count:
            rows = slice(start, min(start + self._size, self._count))
            if self._fits(work, rows):
                start = rows.stop

    def _fits(self, work: Callable[[slice], None], rows: slice) -> bool:
        images = rows.stop - rows.start
        try:
            work(rows)
        except Exception as error:
            if not self._adjusts or images == 1 or not is_out_of_memory(error):
                raise
        else:
            return True
        give_back_memory(self._device)  # after the error, whose traceback holds the tensors
        self._size = self.halved_to = images // 2
        logger.warning(
            "%s: memory ran out with %d %s at once; it goes on with %d",
            self._owner,
            images,
            self._what,
            self._size,
        )
        return False


def all_at_once(images: Tensor, owner: str) -> Batches:
    """Return what does a piece of work on all images in one batch."""
    count, device = len(images), images.device
    return Batches(count, count, adjusts=False, device=device, owner=owner)


def sized_to_memory(
    batch: int, count: int, trial: Callable[[int], object], memory: DeviceMemory | None
) -> int:
    """Return the batch times the largest power of two for which memory is forecast to suffice.

    The forecast depends on the kind of device, not on what else runs there: bits that follow from
    the size of a batch are then the same in each run.

    Args:
        batch: Images at once, as configured.
        count: Images in all.
        trial: Sends that many images the way that all of them are to go.
        memory: Memory of the device; None where batches stay as configured.
    """
    if memory is None or count <= batch:
        return batch
    try:
        trial(1)  # libraries take memory of their own at the first pass
        memory.begin()
        trial(batch)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return batch
    each = max(1, memory.taken_bytes()) / batch
    most = min(LARGEST_BATCH, SHARE * memory.total_bytes / each)
    size = batch
    while size < count and 2 * size <= most:
        size *= 2
    logger.debug("%d images at once, of %.1f MiB each by forecast", size, each / 2**20)
    return size
