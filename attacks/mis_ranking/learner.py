"""A step of training: the generator against a frozen encoder and against the discriminator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attacks.mis_ranking.discriminator import least_squares
from attacks.mis_ranking.generator_losses import least_likely_loss, mis_ranking_loss
from attacks.mis_ranking.ms_ssim import ms_ssim
from attacks.mis_ranking.networks import Networks
from attacks.mis_ranking.options import MisRankingConfig
from attacks.trained_first import TrainingBatch
from benchmark.core.attack import AttackTask
from benchmark.core.guides import Guides
from benchmark.core.seeding import derive_seed, seed_everything

BETAS = (0.5, 0.999)
"""Decay rates of Adam, as usual for adversarial networks."""


class MisRankingLearner:
    """Networks and their optimisers.

    Args:
        config: Options.
        radius: Of the ball, in pixel units, 0–1.
        project: From images and clean ones to the closest legal images.
        task: The encoder and the identities.
        clean: (N, D) clean embeddings of the training images.
    """

    def __init__(
        self,
        config: MisRankingConfig,
        radius: float,
        project: Callable[[Tensor, Tensor], Tensor],
        task: AttackTask,
        clean: Tensor,
    ) -> None:
        self._config, self._radius, self._project = config, radius, project
        self._encoder, device = task.encoder, task.policy.device
        pids = torch.from_numpy(task.train.pids)
        guides = Guides(clean, pids, torch.full_like(pids, -1))
        self._identities = guides.identities.to(device)
        self._centroids = F.normalize(guides.centroids(unit=True)).to(device)
        seed_everything(derive_seed(task.seed, "initial weights"))
        discriminator_width = config.discriminator_width if config.visual else None
        self._networks = Networks(config.width, discriminator_width, config.mask_ratio).to(device)
        discriminator = self._networks.discriminator
        self._discriminator_parameters = (
            [] if discriminator is None else list(discriminator.parameters())
        )
        own = {id(one) for one in self._discriminator_parameters}
        others = [one for one in self._networks.parameters() if id(one) not in own]
        self._optimizers = [self._adam(others)]
        if discriminator is not None:
            self._optimizers.append(self._adam(self._discriminator_parameters))

    def begin_epoch(self, epoch: int) -> None:
        """Do nothing: all epochs are alike."""

    def step(self, batch: TrainingBatch) -> float:
        """Improve the generator, then the discriminator; return the generator's loss."""
        images, discriminator = batch.images, self._networks.discriminator
        self._networks.train()
        for parameter in self._discriminator_parameters:
            parameter.requires_grad_(False)
        change = self._networks.change(images, self._radius, batch.seed)
        adversarial = self._project(images + change, images)
        loss = self._config.lambda_rank * self._rank_loss(adversarial, batch.pids)
        if discriminator is not None:
            similarity = ms_ssim(images, adversarial).mean()
            loss = loss + self._config.lambda_visual * (1 - similarity)
            loss = loss + least_squares(discriminator(torch.cat([images, adversarial], 1))[0], 1.0)
        _descend(self._optimizers[0], loss)
        if discriminator is not None:
            self._update_discriminator(discriminator, images, adversarial.detach())
        return float(loss.detach())

    def result(self) -> dict[str, Tensor]:
        """Return a copy of the weights that attacking needs."""
        return self._networks.learned()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the networks and of the optimisers."""
        optimizers = [one.state_dict() for one in self._optimizers]
        return {"networks": self._networks.state_dict(), "optimizers": optimizers}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self._networks.load_state_dict(state["networks"])
        for optimizer, own in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(own)

    def _adam(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Adam:
        return torch.optim.Adam(parameters, lr=self._config.learning_rate, betas=BETAS)

    def _rank_loss(self, adversarial: Tensor, pids: Tensor) -> Tensor:
        config = self._config
        features = self._encoder(adversarial)
        unit = F.normalize(features)
        logits = config.scale * unit @ self._centroids.T
        classes = torch.searchsorted(self._identities, pids)
        likely = least_likely_loss(logits, classes, config.smoothing)
        chosen = unit if config.unit else features
        return likely + mis_ranking_loss(chosen, pids, config.margin)

    def _update_discriminator(
        self, discriminator: nn.Module, images: Tensor, adversarial: Tensor
    ) -> None:
        """Tell the discriminator two real images from an image and its adversarial form."""
        for parameter in self._discriminator_parameters:
            parameter.requires_grad_(True)
        half = len(images) // 2
        real, _ = discriminator(torch.cat([images[:half], images[half : 2 * half]], 1))
        fake, _ = discriminator(torch.cat([images, adversarial], 1))
        _descend(self._optimizers[1], (least_squares(real, 1.0) + least_squares(fake, 0.0)) / 2)


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward([loss])
    optimizer.step()
