"""How two sets are ranked: by cosine distance, on a device, re-ranked or not."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.core.image_set import ImageSet
from benchmark.core.reranking import Reranking
from benchmark.evaluation.ranked_lists import nearest_images
from benchmark.metrics.distance import each_distance_block
from benchmark.metrics.ranking import RankingResult, rank_queries
from benchmark.metrics.reciprocal import EncodedGallery


class SetRanker:
    """Ranks two sets by their embeddings.

    Args:
        query: Queries.
        gallery: Gallery.
        rerank: How to re-rank; None: not at all.
        device: Where to rank; None: where the query embeddings are.
    """

    def __init__(
        self,
        query: ImageSet,
        gallery: ImageSet,
        rerank: Reranking | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.query, self.gallery = query, gallery
        self._rerank, self._device = rerank, device
        self._encoded: tuple[Tensor, EncodedGallery] | None = None

    def rank(
        self,
        query_embeddings: Tensor,
        gallery_embeddings: Tensor,
        targets: NDArray[np.int64] | None = None,
    ) -> RankingResult:
        """Rank the gallery for each query; `targets` (Q,) are looked for, not the own identity.

        No image of a target is left out for its camera: the protocol's rule is about true matches.
        """
        query, gallery = self.query, self.gallery
        no_camera = np.full(len(query), -1, np.int64)
        return rank_queries(
            query_embeddings,
            query.pids if targets is None else targets,
            query.camids if targets is None else no_camera,
            gallery_embeddings,
            gallery.pids,
            gallery.camids,
            gallery_junk=gallery.junk,
            gallery_distractor=gallery.distractor,
            rerank=self._encode(gallery_embeddings) if self._rerank else None,
            device=self._device,
        )

    def nearest(
        self, rows: NDArray[np.int64], query_embeddings: Tensor, gallery_embeddings: Tensor
    ) -> NDArray[np.int64]:
        """Return (N, K) the nearest gallery rows of some queries; see `nearest_images`."""
        some = query_embeddings[torch.from_numpy(rows)]
        distances = np.empty((len(rows), len(self.gallery)), np.float32)

        def keep(part: slice, found: Tensor) -> None:
            if self._rerank is not None:
                self._encode(gallery_embeddings).rerank(found)
            distances[part] = found.cpu().numpy()

        each_distance_block(some, gallery_embeddings, keep, device=self._device)
        return nearest_images(distances, self.query.subset(rows), self.gallery)

    def _encode(self, embeddings: Tensor) -> EncodedGallery:
        """Encode a gallery; that of last time is kept, since attacks often share the clean one."""
        assert self._rerank is not None
        if self._encoded is None or self._encoded[0] is not embeddings:
            junk = self.gallery.junk
            encoded = EncodedGallery(embeddings, junk, self._rerank, self._device)
            self._encoded = embeddings, encoded
        return self._encoded[1]
