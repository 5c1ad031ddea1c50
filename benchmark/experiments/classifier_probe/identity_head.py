"""Identity classifiers on a frozen encoder: trained clean or adversarially, and attacked.

Plain cross-entropy is a weak objective against a head with small logits, whose gradient is spread
over all classes, and against one with large logits, whose gradient vanishes (Croce and Hein, ICML
2020): heads that decide alike seem to differ in robustness. So a head is also attacked by
objectives that do not depend on the scale of its logits.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.defense import Output
from benchmark.core.device import DevicePolicy
from benchmark.core.encoder import embed
from benchmark.core.image_set import ImageSet
from benchmark.core.legal_images import round_to_8_bits
from benchmark.core.progress import Bar
from benchmark.core.seeding import derive_seed, uniform_noise
from benchmark.models.classifier import IdentityClassifier
from benchmark.training.inner import Objective, ascend

BATCH = 64
"""Images in a batch of a head's training, and at once in its test; chosen."""

Loss = Literal["cross-entropy", "rescaled", "margin"]
"""What an attack on a head maximises: its cross-entropy; that of its logits times the factor that
makes their median lead `USUAL_LEAD`; the largest other logit minus the right one."""

LOSSES: tuple[Loss, ...] = get_args(Loss)

USUAL_LEAD = 6.0
"""Lead of the right class in logits at which the gradient of cross-entropy is neither spread over
all classes nor near nothing; chosen."""


@dataclass(frozen=True)
class Ascent:
    """Projected gradient ascent on a loss of a classifier.

    Attributes:
        eps_255: Radius in 1/255 units.
        alpha_255: Step in 1/255 units.
        steps: Gradient steps, from a random start in the whole ball.
    """

    eps_255: float
    alpha_255: float
    steps: int


class HeadedEncoder(nn.Module):
    """An encoder with a linear identity classifier on its embeddings."""

    def __init__(self, encoder: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, images: Tensor) -> Output:
        """Return embeddings and logits of (B, 3, H, W) images."""
        embeddings = embed(self.encoder, images, "identity head")
        return Output(embeddings, embeddings, self.head(embeddings))


def split_by_identity(images: ImageSet, seed: int) -> tuple[ImageSet, ImageSet]:
    """Split the images of each identity in halves, the larger one first.

    Identities with a single image are left out: they could not be tested.
    """
    first: list[int] = []
    second: list[int] = []
    for pid in images.identities.tolist():
        rows = np.flatnonzero(images.pids == pid)
        if len(rows) > 1:
            order = np.random.default_rng(derive_seed(seed, "halves", pid)).permutation(rows)
            first += order[: (len(rows) + 1) // 2].tolist()
            second += order[(len(rows) + 1) // 2 :].tolist()
    return images.subset(sorted(first)), images.subset(sorted(second))


class HeadTrainer:
    """Trains and tests classifiers of the identities of an image set on a frozen encoder.

    Args:
        encoder: What embeds; frozen, in eval mode.
        view: What an attacker differentiates in its place.
        train: Images to train heads on.
        policy: Device and precision.
        seed: Seed of initial weights, batches and random starts.

    Attributes:
        identities: (C,) identity of each class, ascending.
    """

    def __init__(
        self,
        encoder: nn.Module,
        view: nn.Module,
        train: ImageSet,
        *,
        policy: DevicePolicy,
        seed: int,
    ) -> None:
        self._encoder, self._view, self._train = encoder, view, train
        self._policy, self._seed = policy, seed
        self.identities = train.identities
        encoder.requires_grad_(False)

    def fit(
        self,
        epochs: int,
        learning_rate: float,
        ascent: Ascent | None,
        bar: Bar,
        start: nn.Linear | None = None,
    ) -> nn.Linear:
        """Return a head, trained on clean images, or on as many adversarial ones beside them.

        Args:
            epochs: Passes over the images.
            learning_rate: Peak step size of Adam, which falls to 0 by a cosine.
            ascent: How images are perturbed against the head of the moment; None: not at all.
            bar: Advanced by an epoch at a time.
            start: A head to go on from, which stays as it is; None: small random weights.
        """
        head = self._new_head() if start is None else copy.deepcopy(start).requires_grad_(True)
        optimizer = torch.optim.Adam(head.parameters(), lr=learning_rate)
        steps = epochs * -(-len(self._train) // BATCH)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for epoch in range(epochs):
            order = np.random.default_rng(derive_seed(self._seed, "order", epoch))
            rows = order.permutation(len(self._train))
            for first in range(0, len(rows), BATCH):
                chosen = rows[first : first + BATCH]
                images, labels = self._images(self._train, chosen), self._labels(chosen)
                seen = [images]
                if ascent is not None:
                    objective = _objective("cross-entropy", labels)
                    seen.append(self._perturbed(head, images, objective, ascent, chosen, epoch))
                with torch.no_grad():
                    embedded = [self._encoder(one) for one in seen]
                losses = [F.cross_entropy(head(one), labels) for one in embedded]
                optimizer.zero_grad()
                torch.stack(losses).mean().backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
            bar.advance(1)
        return head.requires_grad_(False)

    def head_of(self, classifier: IdentityClassifier | None) -> nn.Linear | None:
        """Return a kept classifier as a head, or None if it does not know these identities."""
        if classifier is None or not np.array_equal(classifier.identities, self.identities):
            return None
        classes, width = classifier.weight.shape
        head = nn.Linear(width, classes, bias=False)
        head.weight = nn.Parameter(classifier.weight, requires_grad=False)
        return head.to(self._policy.device)

    def hits(
        self,
        head: nn.Linear,
        test: ImageSet,
        ascent: Ascent | None,
        loss: Loss = "cross-entropy",
    ) -> NDArray[np.bool_]:
        """Return (N,) whether each image is classified right, clean or attacked through `head`.

        Args:
            head: The classifier.
            test: Images of its identities.
            ascent: How they are attacked; None: not at all.
            loss: What the attack maximises.
        """
        found = []
        scale = self._scale(head, test) if ascent is not None and loss == "rescaled" else 1.0
        for start in range(0, len(test), BATCH):
            rows = np.arange(start, min(start + BATCH, len(test)))
            images = self._images(test, rows)
            labels = self._class_of(test.pids[rows])
            if ascent is not None:
                objective = _objective(loss, labels, scale)
                attacked = self._perturbed(head, images, objective, ascent, rows, -1)
                images = round_to_8_bits(attacked, images, ascent.eps_255)
            with torch.no_grad():
                found.append((head(self._encoder(images)).argmax(1) == labels).cpu().numpy())
        return np.concatenate(found)

    def _new_head(self) -> nn.Linear:
        with torch.no_grad():
            width = self._encoder(self._images(self._train, np.arange(1))).shape[1]
        head = nn.Linear(width, len(self.identities), bias=False)
        generator = torch.Generator().manual_seed(derive_seed(self._seed, "head"))
        nn.init.normal_(head.weight, std=0.001, generator=generator)
        return head.to(self._policy.device)

    def _perturbed(
        self,
        head: nn.Linear,
        images: Tensor,
        objective: Objective,
        ascent: Ascent,
        rows: NDArray[np.int64],
        epoch: int,
    ) -> Tensor:
        seeds = [derive_seed(self._seed, "start", epoch, int(row)) for row in rows]
        noise = uniform_noise(seeds, tuple(images.shape[1:])).to(images.device)
        return ascend(
            HeadedEncoder(self._view, head),
            objective,
            images,
            noise=noise * (ascent.eps_255 / 255),
            radius=ascent.eps_255 / 255,
            step_size=ascent.alpha_255 / 255,
            steps=ascent.steps,
        )

    def _scale(self, head: nn.Linear, test: ImageSet) -> float:
        """Return the factor for logits that brings their median lead on clean images to a norm."""
        leads = []
        for start in range(0, len(test), BATCH):
            rows = np.arange(start, min(start + BATCH, len(test)))
            with torch.no_grad():
                logits = head(self._encoder(self._images(test, rows)))
            leads.append(_lead(logits, self._class_of(test.pids[rows])))
        median = float(torch.cat(leads).median())
        return USUAL_LEAD / median if median > 0 else 1.0

    def _images(self, images: ImageSet, rows: NDArray[np.int64]) -> Tensor:
        return images.tensor(rows).to(self._policy.device)

    def _labels(self, rows: NDArray[np.int64]) -> Tensor:
        return self._class_of(self._train.pids[rows])

    def _class_of(self, pids: NDArray[np.int64]) -> Tensor:
        classes = np.searchsorted(self.identities, pids)
        return torch.from_numpy(classes).to(self._policy.device)


def _lead(logits: Tensor, labels: Tensor) -> Tensor:
    """Return (B,) the logit of the right class minus the largest other one."""
    own = logits.gather(1, labels[:, None])
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return own[:, 0] - others.amax(1)


def _objective(loss: Loss, labels: Tensor, scale: float = 1.0) -> Objective:
    """Return what an attack on a head maximises for images of some labels."""
    if loss == "margin":
        return lambda output: -_lead(output.logits, labels)
    return lambda output: F.cross_entropy(scale * output.logits, labels, reduction="none")
