"""Draw images of an identity under a camera from the trained diffusion model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.core.image_set import ImageSet
from benchmark.core.seeding import derive_seed
from defenses.ddid.balance_plan import Reason, SynthesisRequest
from defenses.ddid.denoiser import Denoiser
from defenses.ddid.diffusion import DiffusionConfig
from defenses.ddid.edm import EDM, Network


@dataclass(frozen=True)
class Slot:
    """One synthetic image that is wanted: number `index` of its identity."""

    pid: int
    camid: int
    reason: Reason
    index: int


def slots_of(requests: Sequence[SynthesisRequest]) -> list[Slot]:
    """Return one slot for each requested image, numbered from 0 within its identity."""
    slots: list[Slot] = []
    numbered: dict[int, int] = {}
    for request in requests:
        for _ in range(request.count):
            index = numbered.get(request.pid, 0)
            numbered[request.pid] = index + 1
            slots.append(Slot(request.pid, request.camid, request.reason, index))
    return slots


class Synthesiser:
    """Samples the diffusion model; each image's noise has a seed of its own.

    An image therefore does not depend on which others are drawn in the same batch, up to the
    rounding of the batched kernels.

    Args:
        denoiser: Trained network, in eval mode.
        train: The training split that it was trained on.
        config: Sampler settings.
        seed: Seed of the noise and of the choice of start images.
        device: Where the model is.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        train: ImageSet,
        config: DiffusionConfig,
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        self._denoiser, self._train, self._config = denoiser, train, config
        self._seed, self._device, self._edm = seed, device, EDM()

    @torch.no_grad()
    def draw(self, slots: Sequence[Slot], attempt: int) -> NDArray[np.uint8]:
        """Return uint8 (B, H, W, 3) images, one for each slot.

        Args:
            slots: What to draw; a batch that fits the device.
            attempt: Number of the attempt; another one gives other images.
        """
        denoiser, sigma_start = self._denoiser, self._config.sigma_start
        seeds = [self._seed_of(slot, attempt) for slot in slots]
        identity = self._index(denoiser.pids, [slot.pid for slot in slots])
        camera = self._index(denoiser.camids, [slot.camid for slot in slots])
        levels = self._edm.levels(self._config.sampler_steps, sigma_start)
        start = levels[0] * self._noise(seeds)
        detail: Tensor | float = 0.0
        if sigma_start is not None:
            rows = self._start_rows(slots, seeds)
            images = self._train.tensor(rows).to(self._device)
            source = self._index(denoiser.camids, self._train.camids[rows])
            start = start + denoiser.fold(images, source)
            detail = denoiser.standardiser.detail(images, source, camera)
        folded = self._edm.sample(self._network(identity, camera), start, levels)
        drawn = (denoiser.unfold(folded, camera) + detail).clamp(0, 1).mul(255).round().byte()
        pixels: NDArray[np.uint8] = drawn.permute(0, 2, 3, 1).cpu().numpy()
        return pixels

    def _seed_of(self, slot: Slot, attempt: int) -> int:
        return derive_seed(self._seed, "synthesis", slot.pid, slot.camid, slot.index, attempt)

    def _index(self, known: NDArray[np.int64], labels: Sequence[int] | NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(np.searchsorted(known, labels)).to(self._device)

    def _noise(self, seeds: list[int]) -> Tensor:
        denoiser, height, width = self._denoiser, *self._train.images.shape[1:3]
        unit = denoiser.config.downscale * denoiser.config.patch
        shape = (3 * denoiser.config.patch**2, height // unit, width // unit)
        draws = [torch.randn(shape, generator=torch.Generator().manual_seed(s)) for s in seeds]
        return torch.stack(draws).to(self._device, memory_format=torch.channels_last)

    def _start_rows(self, slots: Sequence[Slot], seeds: list[int]) -> NDArray[np.int64]:
        """Choose a real image of each identity, of the wanted camera if there is one."""
        rows = []
        for slot, seed in zip(slots, seeds, strict=True):
            own = np.flatnonzero(self._train.pids == slot.pid)
            same = own[self._train.camids[own] == slot.camid]
            pool = same if len(same) else own
            rows.append(pool[np.random.default_rng(seed).integers(len(pool))])
        return np.array(rows)

    def _network(self, identity: Tensor, camera: Tensor) -> Network:
        """Bind the condition, with classifier-free guidance where it is on."""
        denoiser, scale = self._denoiser, self._config.guidance
        condition = denoiser.condition(identity, camera)

        def network(folded: Tensor, c_noise: Tensor) -> Tensor:
            told: Tensor = denoiser(folded, c_noise, condition)
            if scale == 1:
                return told
            untold: Tensor = denoiser(folded, c_noise, torch.zeros_like(condition))
            return untold + scale * (told - untold)

        return network
