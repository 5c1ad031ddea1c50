"""What trainings share that learn from clean and adversarial images of the same batch.

    x, x' -> one forward pass of both -> L(x), L(x')

Both go forward in one batch, as in metric adversarial training, so they share batch statistics:
those that evaluation uses are of clean and adversarial images alike.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from benchmark.core.defense import Defense, Output, TrainingStep

ALL_ROWS = slice(None)


class PairedTraining(Defense):
    """Base of adversarial trainings on pairs of a clean and an adversarial image."""

    def passes(self, inner_steps: int) -> float:
        """Return the inner steps, and the clean and the adversarial image."""
        return inner_steps + 2

    def forward_pair(
        self,
        step: TrainingStep,
        adversarial: Tensor,
        rows: Tensor | slice = ALL_ROWS,
        state: Mapping[str, Tensor] | None = None,
    ) -> tuple[Output, Output]:
        """Return the outputs for clean images and (B, 3, H, W) adversarial ones, at `rows`.

        `state` takes the place of the model's parameters and buffers.
        """
        clean = step.images[rows]
        output = step.forward(torch.cat([clean, adversarial[rows]]), state)
        return output.rows(slice(None, len(clean))), output.rows(slice(len(clean), None))

    def mean_loss(
        self, step: TrainingStep, adversarial: Tensor, soft_targets: Tensor | None = None
    ) -> Tensor:
        """Return the mean retrieval loss of clean and adversarial images.

        Args:
            step: The step, with the clean images.
            adversarial: (B, 3, H, W) in the order of the batch.
            soft_targets: (B, C) targets of the adversarial images; None: the usual ones.
        """
        clean, attacked = self.forward_pair(step, adversarial)
        clean_loss = step.output_loss(clean, step.labels)
        return 0.5 * (clean_loss + step.output_loss(attacked, step.labels, soft_targets))
