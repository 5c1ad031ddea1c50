"""AVmixup: learning between an image and a vertex beyond its adversarial image.

Lee et al., "Adversarial Vertex Mixup: Toward Better Adversarially Robust Generalization" (CVPR
2020):

    x_v = x + gamma (x' - x)
    x_m = omega x + (1 - omega) x_v,   omega ~ U(0, 1) for each image
    y_m = omega phi(y, lambda_1) + (1 - omega) phi(y, lambda_2)

phi keeps a mass lambda on the label and spreads the rest over the other identities. It is what
DDID's FNES extends, without a shift toward another identity; both share `defenses/ddid/fnes.py`.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from benchmark.core.defense import TrainingStep
from benchmark.core.plugin import Card, PluginConfig
from benchmark.core.seeding import derive_seed
from defenses.ddid import fnes
from defenses.paired import PairedTraining


class AVmixup(PairedTraining):
    """Adversarial training on mixtures of clean images and adversarial vertices."""

    card = Card(
        title="Adversarial vertex mixup",
        paper="Lee et al., CVPR 2020, arXiv 2003.02484",
        references=("lee2020",),
        claims="Better robust generalisation than adversarial training with hard labels.",
        notes="Published: gamma 2, masses 1.0 and 0.1, omega ~ U(0, 1), mixtures alone in the "
        "update. Chosen for ReID: the inner attack is metric PGD, the triplet loss has hard labels "
        "and the soft ones replace label smoothing, mixtures are clipped to [0, 1]. Mixtures "
        "reach gamma budgets from the clean image, as published: 16/255 at 8/255.",
    )
    trained_against = ("metric-pgd",)

    class Config(PluginConfig):
        """Options."""

        gamma: float = Field(default=2.0, ge=1)
        """Extension of the perturbation to the vertex; published."""
        kept_clean: float = Field(default=1.0, gt=0, le=1)
        """Mass that phi keeps on the label of the clean image (lambda 1); published."""
        kept_vertex: float = Field(default=0.1, gt=0, le=1)
        """Mass that phi keeps on the label of the vertex (lambda 2); published."""
        with_clean: bool = False
        """Learn from the clean images, too; both weigh the same. Published: only mixtures."""

    config: Config

    def passes(self, inner_steps: int) -> float:
        """Return the inner steps, the mixture, and the clean image if it is learned."""
        return inner_steps + (2 if self.config.with_clean else 1)

    def training_step(self, step: TrainingStep) -> Tensor:
        """Return the retrieval loss of mixtures with soft labels."""
        options = fnes.FnesOptions(
            gamma=self.config.gamma,
            omega_low=0,
            omega_high=1,
            kept_clean=self.config.kept_clean,
            kept_extended=self.config.kept_vertex,
            shift=0,
        )
        adversarial = step.attack("metric-pgd", step.images)
        omega = fnes.mixing_weights(len(step.images), options, derive_seed(step.seed, "omega"))
        omega = omega.to(step.images.device)
        mixed = fnes.extend(step.images, adversarial, omega, options.gamma)
        # Without a shift it does not matter which negatives the mass would go to.
        targets = fnes.soften(step.labels, step.labels, omega, step.num_classes, options)
        if self.config.with_clean:
            return self.mean_loss(step, mixed, targets)
        return step.output_loss(step.forward(mixed), step.labels, targets)
