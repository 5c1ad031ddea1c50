"""What is trained: a generator, and if wanted a discriminator and the head of a mask."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from attacks.mis_ranking.discriminator import Discriminator
from attacks.mis_ranking.generator import Generator
from attacks.mis_ranking.mask import MaskHead, gumbel_noise, top_mask
from attacks.mis_ranking.spectral import plain_weights, start_weights


class Networks(nn.Module):
    """The networks of an attack.

    Args:
        width: Channels of the generator's first convolution.
        discriminator_width: The same of the discriminator; None: there is none.
        mask_ratio: Share of the pixels that may change; None: all, without a mask. A mask needs a
            discriminator.
        normed: Whether weights are spectrally normalised, as they are while they are trained.
    """

    def __init__(
        self,
        width: int,
        discriminator_width: int | None,
        mask_ratio: float | None,
        *,
        normed: bool = True,
    ) -> None:
        super().__init__()
        self.mask_ratio = mask_ratio
        self.generator = Generator(width, normed)
        self.discriminator: Discriminator | None = None
        self.head: MaskHead | None = None
        if discriminator_width is not None:
            self.discriminator = Discriminator(discriminator_width, normed)
            if mask_ratio is not None:
                self.head = MaskHead(discriminator_width)
        if normed:
            start_weights(self)

    def change(self, images: Tensor, radius: float, seed: int | None = None) -> Tensor:
        """Return the (B, 3, H, W) change of images, in (-radius, radius).

        Args:
            images: In [0, 1].
            radius: Of the ball, in pixel units.
            seed: Draws the mask; None: the most likely one.
        """
        delta: Tensor = radius * self.generator(images)
        if self.head is None or self.discriminator is None or self.mask_ratio is None:
            return delta
        pairs = torch.cat([images, (images + delta).clamp(0, 1)], 1)
        _, features = self.discriminator(pairs)
        logits = self.head(features, tuple(images.shape[2:]))
        noise = None
        if seed is not None:
            noise = gumbel_noise(tuple(logits.shape), seed).to(logits.device)
        return delta * top_mask(logits, self.mask_ratio, noise)

    def learned(self) -> dict[str, Tensor]:
        """Return a copy of what `change` needs, without the spectral normalisation."""
        was_training = self.training
        state = plain_weights(self.eval())
        self.train(was_training)
        if self.head is not None:
            return state
        return {name: t for name, t in state.items() if name.startswith("generator.")}


def learned_networks(
    width: int, discriminator_width: int, mask_ratio: float | None, learned: Mapping[str, Tensor]
) -> Networks:
    """Return networks in eval mode with what `Networks.learned` returned."""
    with torch.device("meta"):
        masked = None if mask_ratio is None else discriminator_width
        networks = Networks(width, masked, mask_ratio, normed=False)
    networks.load_state_dict(dict(learned), assign=True)
    return networks.eval()
