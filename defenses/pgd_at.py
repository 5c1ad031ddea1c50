"""PGD-AT: adversarial training in the space of the identity classifier.

Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks" (ICLR 2018), on ReID:

    min over theta of L(x'),   x' = argmax over the ball of L(x'),
    L(x) = CE(H(E(x)), smoothed y) + L_tri(E(x))

L is the loss that trains the encoder. It is also what the inner attack maximises, from a uniform
random start, so the attack sees the classifier H and the hardest pairs of the batch under attack.
Robustness may then hide in H, which evaluation drops; compare `metric-at`.
"""

from __future__ import annotations

from torch import Tensor

from benchmark.core.defense import Output, TrainingStep
from benchmark.core.plugin import Card, PluginConfig
from defenses.paired import PairedTraining


class PGDAT(PairedTraining):
    """Adversarial training on PGD that maximises identity and triplet loss."""

    card = Card(
        title="PGD adversarial training",
        paper="Madry et al., ICLR 2018",
        references=("madry2018", "liu2024"),
        claims="The common baseline of robust classification, on the losses of ReID.",
        notes="Published for ReID (Liu et al., ICIP 2024): adversarial images alone in the update, "
        "random start, eval mode in crafting, eps 4/255 in 4 steps of 2/255. Here the radius, the "
        "step and their number are those of the recipe, the start is as wide as the ball, and the "
        "triplet loss is attacked along with the identity loss: chosen.",
    )

    class Config(PluginConfig):
        """Options."""

        with_clean: bool = False
        """Learn from the clean images, too; both weigh the same. Published: only adversarial."""

    config: Config

    def passes(self, inner_steps: int) -> float:
        """Return the inner steps, the adversarial image, and the clean one if it is learned."""
        return inner_steps + (2 if self.config.with_clean else 1)

    def training_step(self, step: TrainingStep) -> Tensor:
        """Return the retrieval loss of adversarial images."""

        def loss_under_attack(output: Output) -> Tensor:
            return step.output_loss(output, step.labels)

        adversarial = step.ascend(loss_under_attack, step.images)
        if self.config.with_clean:
            return self.mean_loss(step, adversarial)
        return step.retrieval_loss(adversarial)
