"""Random numbers by counting: Philox-4x32-10 in torch's integer operations, on any device.

Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011), section 4.1 and table 2. The
key is the seed and the counter the place of a block of four numbers, so that a number depends on
nothing but its seed and its place: not on the device, the batch, or what was drawn before. torch's
own generators on a GPU are counters, too, but of one seed for a whole tensor.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.core.to_device import to_device

ROUNDS = 10
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_WORD = 0xFFFFFFFF


def philox(counter: tuple[Tensor, ...], key: tuple[Tensor, ...]) -> Tensor:
    """Return four 32-bit words, as int64 (…, 4), for a counter of four and a key of two words.

    Args:
        counter: Four int64 tensors of words; they broadcast with each other and the key.
        key: Two int64 tensors of words.
    """
    a, b, c, d = counter
    first, second = key
    for _ in range(ROUNDS):
        # int64 wraps around: the low 64 bits of a product are right, and so is each of its halves
        # once the sign that the shift drags in is cut off. Words that are only xored are cut later.
        low, high = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b, c, d = (
            ((high >> 32) ^ b ^ first) & _WORD,
            high,
            ((low >> 32) ^ d ^ second) & _WORD,
            low,
        )
        first, second = (first + _WEYL[0]) & _WORD, (second + _WEYL[1]) & _WORD
    words = torch.broadcast_tensors(a, b & _WORD, c, d & _WORD)  # type: ignore[no-untyped-call]
    return torch.stack(words, -1)


def uniform_draws(seeds: list[int], count: int, device: torch.device) -> Tensor:
    """Return (B, count) float32 numbers in [0, 1), one stream a seed, computed on a device.

    The same seed gives the same numbers on every device, in every batch, and whatever the count.

    Args:
        seeds: B numbers of up to 63 bits.
        count: Numbers of each.
        device: Where they are computed and stay.
    """
    keys = to_device(torch.tensor(seeds, dtype=torch.int64), device)[:, None]
    blocks = torch.arange(-(-count // 4), device=device)[None, :]
    zero = torch.zeros_like(blocks)
    words = philox((blocks, zero, zero, zero), (keys & _WORD, keys >> 32))
    return (words.flatten(1)[:, :count] >> 8).float().mul_(2.0**-24)  # 24 bits: exact in float32
