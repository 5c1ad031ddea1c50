"""No defense: the bag-of-tricks recipe on clean images."""

from __future__ import annotations

from torch import Tensor

from benchmark.core.defense import Defense, TrainingStep
from benchmark.core.plugin import Card


class NoDefense(Defense):
    """Standard training on clean images; the bottom of every board."""

    card = Card(
        title="No defense", paper="Luo et al., Bag of Tricks, CVPRW 2019", references=("luo2019",)
    )

    def training_step(self, step: TrainingStep) -> Tensor:
        """Return the retrieval loss of the clean images."""
        return step.retrieval_loss(step.images)
