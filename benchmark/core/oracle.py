"""What a black-box attacker may ask, with every answer counted against its budget."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.encoder import embed
from benchmark.core.errors import PluginError
from benchmark.core.guides import Guides


class QueryCounter:
    """Counts the answers given for each image of a batch and refuses those over the budget.

    Args:
        images: Images in the batch.
        budget: Answers that may be given for each.
        attack: Name of the attack, for the error.
    """

    def __init__(self, images: int, budget: int, attack: str) -> None:
        self.spent = torch.zeros(images, dtype=torch.int64)
        self._budget, self._attack = budget, attack

    def count(self, rows: Tensor) -> None:
        """Count one answer for each of `rows`.

        Raises:
            PluginError: An image has had all of its answers.
        """
        self.spent += torch.bincount(rows.cpu(), minlength=len(self.spent))
        if int(self.spent.max()) > self._budget:
            raise PluginError(
                f"attack {self._attack!r} asked {int(self.spent.max())} times for an image; "
                f"its budget is {self._budget}",
                "count the answers, or state a higher query_budget()",
            )

    @property
    def total(self) -> int:
        """Answers given for all images."""
        return int(self.spent.sum())


class ScoreOracle(nn.Module):
    """Answers with the embedding of a submitted image; no gradient leaves it.

    A system that returns similarities to known images gives away as much.
    """

    def __init__(self, encoder: nn.Module, counter: QueryCounter, owner: str) -> None:
        super().__init__()
        self._encoder, self._counter, self._owner = [encoder], counter, owner

    @torch.no_grad()
    def forward(self, images: Tensor, rows: Tensor) -> Tensor:
        """Return (N, D) embeddings.

        Args:
            images: (N, 3, H, W) in [0, 1].
            rows: (N,) which image of the batch each one stems from.
        """
        self._counter.count(rows)
        return embed(self._encoder[0], images, self._owner)


class DecisionOracle(nn.Module):
    """Answers with the gallery images that come first for a submitted image, without scores."""

    def __init__(
        self,
        encoder: nn.Module,
        counter: QueryCounter,
        owner: str,
        gallery: Guides,
        pids: Tensor,
        camids: Tensor,
    ) -> None:
        super().__init__()
        self._encoder, self._counter, self._owner = [encoder], counter, owner
        self._gallery = gallery.vectors(unit=True)
        same = (gallery.pids[None, :] == pids[:, None]) & ~gallery.distractor[None, :]
        self._hidden = gallery.junk[None, :] | (same & (gallery.camids[None, :] == camids[:, None]))

    @torch.no_grad()
    def forward(self, images: Tensor, rows: Tensor, k: int) -> Tensor:
        """Return (N, k) gallery rows, nearest first; what ranking leaves out is left out here.

        Args:
            images: (N, 3, H, W) in [0, 1].
            rows: (N,) which image of the batch each one stems from.
            k: Length of the list.
        """
        self._counter.count(rows)
        embeddings = embed(self._encoder[0], images, self._owner)
        scores = F.normalize(embeddings) @ self._gallery.T
        scores[self._hidden[rows]] = -torch.inf
        return scores.topk(min(k, scores.shape[1])).indices
