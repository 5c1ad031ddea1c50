"""Evaluations whose memory runs out go on with smaller batches; results are those of these."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.core import device_memory
from benchmark.core.adaptive import ExpectedEncoder
from benchmark.core.errors import PluginError
from benchmark.core.out_of_memory import is_out_of_memory
from benchmark.data.held_out import query_and_gallery
from benchmark.evaluation import crafting_batch as sizing
from benchmark.evaluation.evaluator import Evaluator
from benchmark.metrics import embedding
from tests.tiny_scene import CPU, image_set, make_attack, tiny_encoder

QUERY, GALLERY = query_and_gallery(image_set(size=(16, 8)))


class Small(nn.Module):
    """The tiny encoder on a device that holds so many images; it counts its batches."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.plain, self.most = tiny_encoder(), most
        self.batches: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.batches.append(len(images))
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        embeddings: Tensor = self.plain(images)
        return embeddings


def evaluator(most: int, batch: int = 8, **options: object) -> Evaluator:
    return Evaluator.of(
        Small(most), QUERY, GALLERY, policy=CPU, owner="small", batch=batch, **options
    )


@pytest.mark.parametrize("name", ["metric-pgd", "square"])
def test_results_are_those_of_the_batch_that_fits(name: str, caplog) -> None:
    options = {"queries": 6} if name == "square" else {"steps": 2}
    with caplog.at_level(logging.WARNING):
        halved = evaluator(3, adjusts=True)
        found = halved.attacked(make_attack(name, **options), 0)
    assert found.halved_to == 2
    assert f"small: {name}: memory ran out with 8 images at once; it goes on with 4" in caplog.text
    small = evaluator(3, batch=2)
    wanted = small.attacked(make_attack(name, **options), 0)
    assert wanted.halved_to is None
    assert found.images_sha256 == wanted.images_sha256
    np.testing.assert_array_equal(found.ranking.ap, wanted.ranking.ap)
    assert (found.forwards, found.queries) == (wanted.forwards, wanted.queries)
    assert torch.equal(halved.clean.query_embeddings, small.clean.query_embeddings)


def test_one_image_that_does_not_fit_is_the_error_of_the_encoder() -> None:
    with pytest.raises(PluginError, match=r"OutOfMemoryError: CUDA out of memory") as caught:
        evaluator(0, adjusts=True)
    assert is_out_of_memory(caught.value)


def test_the_batch_of_a_random_encoder_is_never_halved() -> None:
    fits = evaluator(8)
    view = ExpectedEncoder(fits.encoder, 2)
    with pytest.raises(PluginError, match="OutOfMemoryError"):
        Evaluator.of(
            fits.encoder, QUERY, GALLERY, policy=CPU, owner="small", batch=8, adaptive=view
        ).attacked(make_attack("metric-fgsm"), 0)
    with pytest.raises(PluginError, match="OutOfMemoryError"):
        evaluator(3)


class Roomy:
    """A device of 1000 bytes, of which an image takes one."""

    total_bytes = 1000

    def __init__(self, encoder: Small) -> None:
        self._encoder = encoder

    def begin(self) -> None:
        self._encoder.batches.clear()

    def taken_bytes(self) -> int:
        return max(self._encoder.batches)


def test_a_batch_is_sized_to_a_device_that_tells_its_memory(monkeypatch) -> None:
    small = evaluator(10**6, batch=2)
    for module in (sizing, embedding):
        monkeypatch.setattr(module, "memory_of", lambda device: Roomy(small.encoder))
    grown = Evaluator.of(
        small.encoder, QUERY, GALLERY, policy=CPU, owner="small", batch=2, adjusts=True
    )
    assert max(small.encoder.batches) == len(GALLERY)
    torch.testing.assert_close(grown.clean.query_embeddings, small.clean.query_embeddings)
    small.encoder.batches.clear()
    grown.attacked(make_attack("metric-fgsm"), 0)
    assert max(small.encoder.batches) == len(QUERY)
    small.encoder.batches.clear()
    grown.attacked(make_attack("metric-fgsm"), 0)
    assert small.encoder.batches[0] == len(QUERY)  # what fits is known by now
    small.encoder.batches.clear()
    small.attacked(make_attack("metric-fgsm"), 0)
    assert max(small.encoder.batches) == 2


def test_batches_on_a_cpu_stay_as_configured() -> None:
    assert device_memory.memory_of(torch.device("cpu")) is None
    plain = evaluator(10**6, batch=2, adjusts=True)
    assert set(plain.encoder.batches) <= {1, 2}
