"""What an attacker sees of a batch of images."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmark.core.guides import Guides


@dataclass(frozen=True)
class AttackBatch:
    """What an attacker sees of a batch of images.

    Attributes:
        images: (B, 3, H, W) clean float32 images in [0, 1].
        pids: (B,) identities that guide: the images' own, or their targets.
        camids: (B,) cameras whose guides of these identities do not count; -1 for none.
        seeds: One seed an image, so that its result does not depend on its neighbours.
        query_guides: Clean embeddings of the query side (in training: of the batch).
        gallery_guides: Clean embeddings of the gallery (in training: of the batch).
        query_rows: (B,) row of each image among `query_guides`.
        gallery_rows: (B,) row of each image among `gallery_guides`; -1 if it is not there.
        clean: (B, D) clean embeddings of the images, detached.
        direction: 1 to leave the identities of `pids`, -1 to come close to them.
    """

    images: Tensor
    pids: Tensor
    camids: Tensor
    seeds: list[int]
    query_guides: Guides
    gallery_guides: Guides
    query_rows: Tensor
    gallery_rows: Tensor
    clean: Tensor
    direction: float = 1.0

    @classmethod
    def of_rows(
        cls, images: Tensor, seeds: list[int], rows: Tensor, own: Guides, gallery: Guides
    ) -> AttackBatch:
        """Return the batch of some images of a set.

        Args:
            images: (B, 3, H, W) clean images.
            seeds: One an image.
            rows: (B,) their rows among `own`.
            own: Clean embeddings of their set.
            gallery: Clean embeddings of what they are ranked against: another set, or `own`.
        """
        return cls(
            images=images,
            pids=own.pids[rows],
            camids=own.camids[rows],
            seeds=seeds,
            query_guides=own,
            gallery_guides=gallery,
            query_rows=rows,
            gallery_rows=rows if gallery is own else torch.full_like(rows, -1),
            clean=own.embeddings[rows],
        )

    def rows(self, chosen: Tensor) -> AttackBatch:
        """Return some images of the batch, by a (B,) mask or indices; the guides stay."""
        index = torch.arange(len(self.images), device=chosen.device)[chosen]
        return replace(
            self,
            images=self.images[index],
            pids=self.pids[index],
            camids=self.camids[index],
            seeds=[self.seeds[i] for i in index.tolist()],
            query_rows=self.query_rows[index],
            gallery_rows=self.gallery_rows[index],
            clean=self.clean[index],
        )

    def without_embeddings(self) -> AttackBatch:
        """Return what a decision-based attacker knows: labels, but no embedding."""
        return replace(
            self,
            query_guides=_labels_alone(self.query_guides),
            gallery_guides=_labels_alone(self.gallery_guides),
            clean=self.clean[:, :0],
        )


def _labels_alone(guides: Guides) -> Guides:
    return replace(guides, embeddings=guides.embeddings[:, :0])
