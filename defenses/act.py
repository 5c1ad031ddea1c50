"""ACT: the anti-collapse triplet, learned from matches and non-matches that an attack has joined.

Zhou et al., "Adversarial Attack and Defense in Deep Ranking" (arXiv 2106.03614); compared with
other defenses of metric learning by Zhou & Patel (CVPR 2022):

    (p', n') = argmin over the balls of p and n of d(f(p'), f(n'))
    min over theta of max(0, d(f(a), f(p')) - d(f(a), f(n')) + margin)

The anchor a stays clean. Each image of the batch is the positive p of one triplet: n is its nearest
image of another identity, a its farthest of the same one, on clean embeddings. All pairs are joined
in one ascent over the batch, in which p and n move at the same time; an image that is the negative
of several pairs is drawn by all of them.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from benchmark.core.defense import Output, TrainingStep
from benchmark.core.plugin import Card, PluginConfig
from benchmark.training.mining import batch_hard
from defenses.paired import PairedTraining


class ACT(PairedTraining):
    """Triplets of a clean anchor, and a positive and a negative that an attack pulls together."""

    card = Card(
        title="Anti-collapse triplet",
        paper="Zhou et al., arXiv 2106.03614; also in Zhou & Patel, CVPR 2022",
        references=("zhou2021", "zhou2022"),
        claims="The model learns to keep positives and negatives apart that an attack joins.",
        notes="Published for metric learning, without a classifier and with 32 steps of 1/255. "
        "Chosen for ReID: the triplets (each image's nearest negative and farthest anchor), the "
        "margin and the features of the recipe's triplet loss, embeddings after the BNNeck in "
        "the attack, the identity loss on clean and adversarial images, radius and steps of the "
        "recipe.",
    )

    class Config(PluginConfig):
        """Options."""

        margin: float = Field(default=0.3, ge=0)
        """Margin of the triplet loss on unit features; chosen, as in the recipe."""
        identity_under_attack: bool = True
        """Take the identity loss of adversarial images, too, at the same weight; chosen."""

    config: Config

    def training_step(self, step: TrainingStep) -> Tensor:
        """Return the triplet loss of joined pairs + the identity loss."""
        hardest = batch_hard(step.guides(step.images).vectors(unit=True), step.labels)

        def joined(output: Output) -> Tensor:
            unit = F.normalize(output.embeddings)
            return -(unit - unit[hardest.negatives]).square().sum(1)

        adversarial = step.ascend(joined, step.images)
        clean, attacked = self.forward_pair(step, adversarial)
        triplet = triplet_loss(
            clean.features[hardest.positives],
            attacked.features,
            attacked.features[hardest.negatives],
            self.config.margin,
        )
        identity = step.identity_loss(clean, step.labels)
        if self.config.identity_under_attack:
            identity = 0.5 * (identity + step.identity_loss(attacked, step.labels))
        return identity + triplet


def triplet_loss(anchors: Tensor, positives: Tensor, negatives: Tensor, margin: float) -> Tensor:
    """Return the mean triplet loss on the unit sphere.

    Args:
        anchors: (B, D) features.
        positives: (B, D), one for each anchor.
        negatives: (B, D), one for each anchor.
        margin: Added to the positive minus the negative Euclidean distance.
    """
    anchors, positives, negatives = (
        F.normalize(each.float()) for each in (anchors, positives, negatives)
    )
    return F.relu(_distance(anchors, positives) - _distance(anchors, negatives) + margin).mean()


def _distance(first: Tensor, second: Tensor) -> Tensor:
    # The root has no gradient at 0, where an anchor meets an adversarial image of itself.
    return ((first - second).square().sum(1) + 1e-12).sqrt()
