"""The discriminator with an optimiser of its own: the two sides of the game take turns.

    D:  max over D of  log D(E(x)) + log(1 - D(E(x_adv)))   on features that are held fixed
    E:  min over E of  log D(E(x)) + log(1 - D(E(x_adv)))   with D held fixed

(Zhou et al., AAAI 2026.) One step of D, then one of E: the ratio, D's optimiser and its step size
were not published; chosen.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from defenses.ddid.feature_discriminator import FeatureDiscriminator, log_likelihood


class AlternatingDiscriminator(nn.Module):
    """A discriminator whose parameters nothing but `learn` moves.

    The state of its optimiser is part of its `state_dict`, so that a training that was interrupted
    goes on as if it had not been.

    Args:
        embedding_dim: D.
        hidden: Width of the hidden layer.
    """

    def __init__(self, embedding_dim: int, hidden: int) -> None:
        super().__init__()
        self.discriminator = FeatureDiscriminator(embedding_dim, hidden)
        self.discriminator.requires_grad_(False)  # so that the harness's optimiser passes it by
        self._optimiser = torch.optim.Adam(self.discriminator.parameters(), lr=1.0)

    def learn(self, clean: Tensor, adversarial: Tensor, learning_rate: float) -> float:
        """Take one step of Adam towards telling clean from adversarial features.

        Args:
            clean: (B, D) embeddings of clean images.
            adversarial: (B', D) embeddings of adversarial images.
            learning_rate: Size of the step.

        Returns:
            The loss before the step: minus the mean log-likelihoods.
        """
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate
        self.discriminator.requires_grad_(True)
        try:
            loss = -log_likelihood(self.discriminator, clean.detach(), adversarial.detach())
            self._optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()
        finally:
            self._optimiser.zero_grad(set_to_none=True)
            self.discriminator.requires_grad_(False)
        return float(loss.detach())

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return (B,) logits of being clean for (B, D) embeddings."""
        logits: Tensor = self.discriminator(embeddings)
        return logits

    def get_extra_state(self) -> dict[str, Any]:
        """Return the state of the optimiser."""
        return self._optimiser.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore the state of the optimiser."""
        self._optimiser.load_state_dict(deepcopy(state))  # which would share its tensors
