"""What a defense sees of one training step, and what the trained model returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from benchmark.core.guides import Companions, Guides


@dataclass(frozen=True)
class Output:
    """What the trained model returns for a batch.

    Attributes:
        features: (B, D) after global pooling, before the BNNeck.
        embeddings: (B, D) after the BNNeck; these are ranked, by cosine.
        logits: (B, C) over the training identities.
    """

    features: Tensor
    embeddings: Tensor
    logits: Tensor

    def rows(self, chosen: slice | Tensor) -> Output:
        """Return the same for some images of the batch."""
        return Output(self.features[chosen], self.embeddings[chosen], self.logits[chosen])


class TrainingStep(Protocol):
    """What a defense sees of one training step.

    Attributes:
        images: (B, 3, H, W) float32 in [0, 1], augmented.
        pids: (B,) identities as in the data set.
        camids: (B,) cameras.
        labels: (B,) class indices 0…C-1 of the identities.
        class_of: Maps an identity to its class index.
        num_classes: C.
        model: The model in training mode; `modules` are the defense's own.
        modules: What `Defense.extra_modules` returned, trained by the same optimiser.
        fraction: Progress of the training, 0 to 1.
        epoch: Epochs so far, with the share of this one.
        eps_255: Radius of the inner budget in 1/255 units.
        alpha_255: Step size of the inner budget in 1/255 units.
        learning_rate: The optimiser's current step size.
        seed: Seed of this step; the same when a training is resumed.
    """

    images: Tensor
    pids: Tensor
    camids: Tensor
    labels: Tensor
    num_classes: int
    modules: Mapping[str, nn.Module]
    fraction: float
    epoch: float
    eps_255: float
    alpha_255: float
    learning_rate: float
    seed: int

    @property
    def model(self) -> nn.Module:
        """The model in training mode."""

    def class_of(self, pids: Tensor) -> Tensor:
        """Return the class indices of (B,) identities."""

    def attack(
        self, name: str, images: Tensor, *, guides: Guides | None = None, **options: object
    ) -> Tensor:
        """Craft adversarial images of this batch with the inner budget.

        The encoder is in eval mode, so batch statistics are neither used nor updated.

        Args:
            name: Registry name of the attack.
            images: (B, 3, H, W) clean images, in the order of the batch.
            guides: What guides in place of the batch itself. It holds none of `images`, unless it
                says so (`Companions`).
            options: Override options of the attack; ``eps_255`` overrides the budget.
        """

    def ascend(
        self,
        objective: Callable[[Output], Tensor],
        images: Tensor,
        *,
        start: float = 1.0,
        noise: Tensor | None = None,
        eps_255: float | Tensor | None = None,
        alpha_255: float | Tensor | None = None,
        steps: int | None = None,
    ) -> Tensor:
        """Craft adversarial images with an objective on all that the model returns, by PGD.

        Args:
            objective: From the `Output` of the current images, in eval mode, to (B,) values to
                maximise.
            images: (B, 3, H, W) clean images, in the order of the batch.
            start: Uniform random start, as a share of the radius.
            noise: (B, 3, H, W) start in pixel units, in place of the uniform one.
            eps_255: Radius in 1/255 units, one for all or (B,); None: the inner budget's.
            alpha_255: Step size in 1/255 units, one for all or (B,); None: the inner budget's.
            steps: Gradient steps; None: the inner budget's.
        """

    def companions(self, count: int) -> Companions:
        """Return clean embeddings, in eval mode, of more images of the batch's identities.

        They are drawn anew in every step, without replacement, and are not augmented. They are
        none of the batch's images, unless an identity has fewer than `count` others; then one more
        is drawn, so that each image of the batch still has `count` beside itself, if there are.
        """

    def guides(self, images: Tensor) -> Guides:
        """Return the clean embeddings of this batch, in eval mode; computed once for a tensor.

        Raises:
            PluginError: `images` are not as many as the batch holds.
        """

    def outputs(self, images: Tensor) -> Output:
        """Return what the model gives for images in eval mode, without a gradient."""

    def forward(self, images: Tensor, state: Mapping[str, Tensor] | None = None) -> Output:
        """Run the model in training mode; `state` replaces its parameters and buffers."""

    def retrieval_loss(self, images: Tensor) -> Tensor:
        """Return label-smoothed identity loss + batch-hard triplet loss of `images`."""

    def output_loss(
        self, output: Output, labels: Tensor, soft_targets: Tensor | None = None
    ) -> Tensor:
        """Return the same loss of an `Output`; `soft_targets` (B, C) replace one-hot labels."""

    def identity_loss(self, output: Output, labels: Tensor) -> Tensor:
        """Return the label-smoothed identity loss alone of an `Output`."""
