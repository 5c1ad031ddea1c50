"""Philox-4x32-10 gives the published vectors; draws depend on their seed and place alone."""

from __future__ import annotations

import pytest
import torch

from benchmark.core.philox import philox, uniform_draws
from benchmark.core.seeding import counted_noise, uniform_noise

CPU = torch.device("cpu")
ONES = 0xFFFFFFFF


@pytest.mark.parametrize(  # kat_vectors of Random123, the authors' own library
    ("counter", "key", "words"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_the_published_vectors(
    counter: tuple[int, ...], key: tuple[int, ...], words: tuple[int, ...]
) -> None:
    found = philox(tuple(map(torch.tensor, counter)), tuple(map(torch.tensor, key)))
    assert tuple(found.tolist()) == words


def test_a_stream_depends_on_its_seed_alone() -> None:
    seeds = [5, 0, 2**63 - 1, 2**32 + 5]
    together = uniform_draws(seeds, 41, CPU)
    assert together.shape == (4, 41)
    for seed, row in zip(seeds, together, strict=True):
        assert torch.equal(uniform_draws([seed], 41, CPU)[0], row)
        assert torch.equal(uniform_draws([seed], 7, CPU)[0], row[:7])
    assert len({tuple(row.tolist()) for row in together}) == 4  # both halves of a seed count


def test_draws_are_uniform() -> None:
    draws = uniform_draws([1, 2, 3, 4], 50_000, CPU)
    assert 0 <= float(draws.min()) < 1e-4
    assert 1 - 1e-4 < float(draws.max()) < 1
    counts = torch.histc(draws.flatten(), 64, 0, 1)
    expected = draws.numel() / 64
    assert float(((counts - expected) ** 2 / expected).sum()) < 120  # chi squared, 63 degrees: 1e-5
    correlations = torch.corrcoef(draws)
    assert float((correlations - torch.eye(4)).abs().max()) < 0.02
    assert (
        abs(float(torch.corrcoef(torch.stack([draws[:, 1:], draws[:, :-1]]).flatten(1))[0, 1]))
        < 0.01
    )


def test_counted_noise_fills_the_range_of_the_noise_that_a_cpu_draws() -> None:
    noise = counted_noise([3, 4], (3, 20, 10), CPU)
    assert noise.shape == uniform_noise([3, 4], (3, 20, 10)).shape
    assert -1 <= float(noise.min()) < -0.99
    assert 0.99 < float(noise.max()) < 1
