"""EDM (Karras et al. 2022, arXiv 2206.00364): preconditioning, training loss and Heun sampler.

The noise schedule and the preconditioning are those of diffusers' `EDMEulerScheduler`; Heun's
second-order correction, which diffusers does not offer for EDM, is Algorithm 1 of the paper.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from diffusers.schedulers.scheduling_edm_euler import EDMEulerScheduler
from torch import Tensor

Network = Callable[[Tensor, Tensor], Tensor]
"""F of eq. 7, its condition bound: ((B, C, H, W) scaled input, (B,) c_noise) to (B, C, H, W)."""


@dataclass(frozen=True)
class EDM:
    """The published constants of EDM; all are "published" (Table 1 of the paper).

    Attributes:
        sigma_data: Standard deviation that the data are assumed to have.
        log_sigma_mean: Mean of ln sigma in training (P_mean).
        log_sigma_std: Standard deviation of ln sigma in training (P_std).
        sigma_min: Last noise level of the sampler before 0.
        sigma_max: First noise level of the sampler when it starts from pure noise.
        rho: Exponent of the sampler's noise levels.
    """

    sigma_data: float = 0.5
    log_sigma_mean: float = -1.2
    log_sigma_std: float = 1.2
    sigma_min: float = 0.002
    sigma_max: float = 80.0
    rho: float = 7.0

    @cached_property
    def _preconditioning(self) -> EDMEulerScheduler:
        return self._scheduler()

    def _scheduler(self, sigma_start: float | None = None) -> EDMEulerScheduler:
        scheduler: EDMEulerScheduler = EDMEulerScheduler(
            sigma_min=self.sigma_min,
            sigma_max=sigma_start or self.sigma_max,
            sigma_data=self.sigma_data,
            rho=self.rho,
        )
        return scheduler

    def denoise(self, network: Network, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Estimate the clean images, D(x; sigma) of eq. 7.

        Args:
            network: F of eq. 7.
            noisy: (B, C, H, W) clean images plus noise of standard deviation `sigma`.
            sigma: (B,) noise levels, all above 0.

        Returns:
            (B, C, H, W) float32 denoised images.
        """
        edm, level = self._preconditioning, sigma.view(-1, 1, 1, 1)
        output = network(edm.precondition_inputs(noisy, level), edm.precondition_noise(sigma))
        denoised: Tensor = edm.precondition_outputs(noisy, output.float(), level)
        return denoised

    def training_sigma(self, normal: Tensor) -> Tensor:
        """Turn (B,) standard normal draws into noise levels: ln sigma ~ N(P_mean, P_std^2)."""
        return (self.log_sigma_mean + self.log_sigma_std * normal).exp()

    def weight(self, sigma: Tensor) -> Tensor:
        """Return the weight lambda(sigma) = (sigma^2 + sigma_data^2) / (sigma sigma_data)^2."""
        return (sigma**2 + self.sigma_data**2) / (sigma * self.sigma_data) ** 2

    def loss(self, network: Network, clean: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
        """Return the weighted denoising error of eq. 2 and 8 for each image.

        Args:
            network: F of eq. 7.
            clean: (B, C, H, W) images, about in [-1, 1].
            sigma: (B,) noise levels.
            noise: (B, C, H, W) standard normal noise.

        Returns:
            (B,) weighted mean squared errors; about 1 for a network that answers 0.
        """
        noisy = clean + sigma.view(-1, 1, 1, 1) * noise
        error = (self.denoise(network, noisy, sigma) - clean).square().mean(dim=(1, 2, 3))
        return self.weight(sigma) * error

    def levels(self, steps: int, sigma_start: float | None = None) -> Tensor:
        """Return the sampler's noise levels of eq. 5, `steps` falling ones and a final 0.

        Args:
            steps: Number of levels above 0, at least 2.
            sigma_start: First level; None for `sigma_max` (pure noise).
        """
        scheduler = self._scheduler(sigma_start)
        scheduler.set_timesteps(steps)
        levels: Tensor = scheduler.sigmas
        return levels

    @torch.no_grad()
    def sample(self, network: Network, start: Tensor, levels: Tensor) -> Tensor:
        """Follow the probability-flow ODE with Heun's method (Algorithm 1, no churn).

        Args:
            network: F of eq. 7.
            start: (B, C, H, W) images with noise of level `levels[0]` in them.
            levels: Falling noise levels that end in 0, as `levels` returns them.

        Returns:
            (B, C, H, W) samples.
        """
        images = start
        for now, then in zip(levels.tolist(), levels.tolist()[1:], strict=False):
            slope = self._slope(network, images, now)
            guess = images + (then - now) * slope
            if then > 0:
                slope = (slope + self._slope(network, guess, then)) / 2
                guess = images + (then - now) * slope
            images = guess
        return images

    def _slope(self, network: Network, images: Tensor, sigma: float) -> Tensor:
        level = torch.full((len(images),), sigma, device=images.device)
        return (images - self.denoise(network, images, level)) / sigma
