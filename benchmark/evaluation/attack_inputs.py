"""What an attacker is handed: batches of a set, guides of both, and targets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.core.attack_batch import AttackBatch
from benchmark.core.guides import Guides
from benchmark.core.image_set import ImageSet
from benchmark.core.seeding import derive_seed
from benchmark.core.threat import Scenario
from benchmark.evaluation.targets import choose_targets

ImageSide = Literal["query", "gallery"]


@dataclass(frozen=True)
class AttackerView:
    """What an attacker looks through: the target, an adaptive view of it, or surrogates.

    Attributes:
        encoder: The encoder handed to the attack.
        query_embeddings: (Q, D) clean queries as that encoder embeds them, on the CPU.
        gallery_embeddings: (G, D) the clean gallery.
    """

    encoder: nn.Module
    query_embeddings: Tensor
    gallery_embeddings: Tensor


class AttackInputs:
    """Two sets as an attacker sees them, and batches of either.

    Args:
        query: Clean queries.
        gallery: Clean gallery.
        view: What the attacker looks through.
        scenario: Which images are perturbed, and to what end.
        seed: Attack seed; each image derives its own from it and from its name.
        device: Where the images go.

    Attributes:
        view: What the attacker looks through.
        device: Where the images go.
        targets: (Q,) identity that each query is told to come close to or leave; None: its own.
    """

    def __init__(
        self,
        query: ImageSet,
        gallery: ImageSet,
        view: AttackerView,
        scenario: Scenario,
        seed: int,
        device: torch.device,
    ) -> None:
        self._sets: dict[ImageSide, ImageSet] = {"query": query, "gallery": gallery}
        self._guides: dict[ImageSide, Guides] = {
            "query": Guides.of(query, view.query_embeddings, device),
            "gallery": Guides.of(gallery, view.gallery_embeddings, device),
        }
        self.view = view
        self.device = device
        self._scenario, self._seed = scenario, seed
        self.targets: NDArray[np.int64] | None = None
        if scenario.intent != "dodge":
            both = self._guides["query"], self._guides["gallery"]
            self.targets = choose_targets(scenario.target, query, *both, seed)

    def images(self, side: ImageSide) -> ImageSet:
        """Return a set."""
        return self._sets[side]

    def rows(self, side: ImageSide) -> NDArray[np.int64]:
        """Return the rows of a set that are perturbed; which share of them depends on names."""
        if side == "query":
            return np.arange(len(self._sets["query"]))
        gallery = self._sets["gallery"]
        rows = own_images(gallery, self._sets["query"])
        count = attacked_share(len(rows), self._scenario.fraction)
        if count == len(rows):
            return rows
        keys = [derive_seed(self._seed, "fraction", gallery.names[row]) for row in rows]
        return np.sort(rows[np.argsort(np.array(keys), kind="stable")[:count]])

    def batch(self, side: ImageSide, rows: NDArray[np.int64], purpose: str) -> AttackBatch:
        """Return images of a set; the other set is the gallery that they are ranked against.

        Args:
            side: The set.
            rows: (B,) its rows.
            purpose: Name of the attack, from which the seed of each image derives.
        """
        own = self._sets[side]
        batch = AttackBatch.of_rows(
            images=own.tensor(rows).to(self.device),
            seeds=[derive_seed(self._seed, purpose, own.names[row]) for row in rows],
            rows=torch.from_numpy(rows).to(self.device),
            own=self._guides[side],
            gallery=self._guides["gallery" if side == "query" else "query"],
        )
        if self.targets is None:
            return batch
        return replace(
            batch,
            pids=torch.from_numpy(self.targets[rows]).to(self.device),
            camids=torch.full_like(batch.camids, -1),
            direction=-1.0 if self._scenario.intent == "impersonate" else 1.0,
        )


def attacked_sides(scenario: Scenario) -> tuple[ImageSide, ...]:
    """Return the sets that a scenario perturbs."""
    return ("query", "gallery") if scenario.side == "both" else (scenario.side,)


def attacked_images(query: ImageSet, gallery: ImageSet, scenario: Scenario) -> int:
    """Return how many images a scenario perturbs at most."""
    sizes = {"query": len(query), "gallery": len(own_images(gallery, query))}
    return sum(sizes[side] for side in attacked_sides(scenario))


def attacked_share(count: int, fraction: float) -> int:
    """Return how many of `count` gallery images are perturbed: one at least, if there are any."""
    return min(count, max(1, round(fraction * count)))


def own_images(gallery: ImageSet, query: ImageSet) -> NDArray[np.int64]:
    """Return the rows of the gallery that show an identity of the queries."""
    shown = np.isin(gallery.pids, query.identities) & gallery.people
    return np.flatnonzero(shown)
