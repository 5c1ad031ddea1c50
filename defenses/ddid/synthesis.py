"""Draw images of an identity under a camera from the trained diffusion model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.core.seeding import derive_seed
from benchmark.data.records import ImageSet
from defenses.ddid.balance_plan import Reason, SynthesisRequest
from defenses.ddid.diffusion import Diffusion, DiffusionConfig
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
        diffusion: Trained model.
        train: The training split that it was trained on.
        config: Sampler settings.
        seed: Seed of the noise and of the choice of start images.
        device: Where the model is.
    """

    def __init__(
        self,
        diffusion: Diffusion,
        train: ImageSet,
        config: DiffusionConfig,
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        self._diffusion, self._train, self._config = diffusion, train, config
        self._seed, self._device, self._edm = seed, device, EDM()
        self._cameras = _CameraLook(train)

    def draw(self, slots: Sequence[Slot], attempt: int) -> NDArray[np.uint8]:
        """Return uint8 (B, H, W, 3) images, one for each slot.

        Args:
            slots: What to draw; a batch that fits the device.
            attempt: Number of the attempt; another one gives other images.
        """
        denoiser = self._diffusion.denoiser
        seeds = [self._seed_of(slot, attempt) for slot in slots]
        levels = self._edm.levels(self._config.sampler_steps, self._config.sigma_start)
        start = levels[0] * self._noise(seeds)
        if self._config.sigma_start is not None:
            start = start + denoiser.fold(self._starts(slots, seeds))
        folded = self._edm.sample(self._network(slots), start.to(self._device), levels)
        pixels = denoiser.unfold(folded).mul(255).round_().byte()
        images: NDArray[np.uint8] = pixels.permute(0, 2, 3, 1).cpu().numpy()
        return images

    def _seed_of(self, slot: Slot, attempt: int) -> int:
        return derive_seed(self._seed, "synthesis", slot.pid, slot.camid, slot.index, attempt)

    def _noise(self, seeds: list[int]) -> Tensor:
        denoiser = self._diffusion.denoiser
        shape = denoiser.fold(torch.zeros(1, 3, *denoiser.size)).shape[1:]
        draws = [torch.randn(shape, generator=torch.Generator().manual_seed(s)) for s in seeds]
        return torch.stack(draws)

    def _starts(self, slots: Sequence[Slot], seeds: list[int]) -> Tensor:
        """Choose a real image of each identity, of the wanted camera if there is one."""
        starts = []
        for slot, seed in zip(slots, seeds, strict=True):
            own = np.flatnonzero(self._train.pids == slot.pid)
            same = own[self._train.camids[own] == slot.camid]
            pool = same if len(same) else own
            row = pool[np.random.default_rng(seed).integers(len(pool))]
            starts.append(self._cameras.transfer(int(row), slot.camid))
        return torch.from_numpy(np.stack(starts)).permute(0, 3, 1, 2)

    def _network(self, slots: Sequence[Slot]) -> Network:
        """Bind the slots' condition, with classifier-free guidance where it is on."""
        denoiser, scale = self._diffusion.denoiser, self._config.guidance
        identity = np.searchsorted(self._diffusion.pids, [slot.pid for slot in slots])
        camera = np.searchsorted(self._diffusion.camids, [slot.camid for slot in slots])
        labels = [torch.from_numpy(x).to(self._device) for x in (identity, camera)]
        with torch.no_grad():
            condition = denoiser.condition(labels[0], labels[1])

        def network(folded: Tensor, c_noise: Tensor) -> Tensor:
            told: Tensor = denoiser(folded, c_noise, condition)
            if scale == 1:
                return told
            untold: Tensor = denoiser(folded, c_noise, torch.zeros_like(condition))
            return untold + scale * (told - untold)

        return network


class _CameraLook:
    """Mean image and spread of each camera, to carry an image from one camera to another."""

    def __init__(self, train: ImageSet) -> None:
        self._train = train
        self._mean: dict[int, NDArray[np.float32]] = {}
        self._spread: dict[int, NDArray[np.float32]] = {}
        for camid in np.unique(train.camids[train.pids > 0]).tolist():
            seen = train.pixels(np.flatnonzero(train.camids == camid)).astype(np.float32) / 255
            self._mean[camid] = seen.mean(axis=0)
            self._spread[camid] = (seen - self._mean[camid]).std(axis=(0, 1, 2)) + 1e-3

    def transfer(self, row: int, camid: int) -> NDArray[np.float32]:
        """Return image `row` as (H, W, 3) in [0, 1] with the mean and spread of `camid`.

        The cameras stand still, so that the mean image is background and white balance: the
        difference to it is the person.
        """
        own = int(self._train.camids[row])
        image = self._train.pixels(np.array([row]))[0].astype(np.float32) / 255
        if own == camid:
            return image
        person = (image - self._mean[own]) / self._spread[own]
        moved: NDArray[np.float32] = person * self._spread[camid] + self._mean[camid]
        return moved.clip(0, 1)
