"""Deep mis-ranking: a generator is trained to spoil the ranking of any image.

Wang et al., "Transferable, Controllable, and Inconspicuous Adversarial Attacks on Person
Re-identification With Deep Mis-Ranking" (CVPR 2020, arXiv 2004.04199):

    x' = clip(x + M * eps * tanh(G(x)))
    L_G = L_GAN + lambda_rank (L_xent + L_etri) + lambda_visual (1 - MS-SSIM(x, x'))
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from attacks.mis_ranking.learner import MisRankingLearner
from attacks.mis_ranking.ms_ssim import ms_ssim
from attacks.mis_ranking.networks import Networks, learned_networks
from attacks.mis_ranking.options import MisRankingConfig
from attacks.trained_first import TrainedFirst
from benchmark.core.attack import AttackTask
from benchmark.core.plugin import Card

SLOWNESS = 4.5
"""How much longer an operation takes in these networks of few channels than in an encoder: 4.6 on a
CPU, beside small-resnet at 64×32."""


class MisRanking(TrainedFirst):
    """Mis-ranking: a trained generator that needs one pass for each image it attacks."""

    card: ClassVar[Card] = Card(
        title="Deep mis-ranking",
        paper="Wang et al., CVPR 2020, arXiv 2004.04199",
        references=("wang2020",),
        notes="At the budget of the threat instead of 16/255, in the pixel box. Chosen: narrower "
        "networks, the rate of Adam, unit embeddings in the triplet, logits from cosines to the "
        "centroids of training identities. An anchor is no positive of its own, and the losses "
        "have no logarithm.",
    )

    Config: ClassVar[type[MisRankingConfig]] = MisRankingConfig
    config: MisRankingConfig

    def own_flops(self, height: int, width: int) -> float:
        """Return what a step computes in generator, discriminator and MS-SSIM for an image."""
        return SLOWNESS * step_flops(self.config, height, width)

    def learner(self, task: AttackTask, clean: Tensor) -> MisRankingLearner:
        """Return networks with random weights."""
        return MisRankingLearner(self.config, self.radius, self.project, task, clean)

    def attacked(self, images: Tensor, prepared: Mapping[str, Tensor]) -> Tensor:
        """Return the images plus what the generator makes of them."""
        config = self.config
        networks = learned_networks(
            config.width, config.discriminator_width, config.mask_ratio, prepared
        )
        return self.project(images + networks.change(images, self.radius), images)


def step_flops(config: MisRankingConfig, height: int, width: int) -> float:
    """Return the operations of the forward passes of a training step for an image, uncomputed.

    The discriminator looks once for the generator's sake, and learns from each fake pair and from
    half as many real ones.
    """
    from torch.utils.flop_counter import FlopCounterMode  # slow to import, not always needed

    discriminator_width = config.discriminator_width if config.visual else None
    with torch.device("meta"), torch.no_grad():
        image = torch.empty(1, 3, height, width)
        networks = Networks(
            config.width, discriminator_width, config.mask_ratio, normed=False
        ).eval()
        with FlopCounterMode(display=False) as counter:
            networks.change(image, 1.0)
            if networks.discriminator is not None:
                ms_ssim(image, image)
        flops = float(counter.get_total_flops())
        if networks.discriminator is None:
            return flops
        with FlopCounterMode(display=False) as counter:
            networks.discriminator(torch.cat([image, image], 1))
        return flops + 2.5 * float(counter.get_total_flops())
