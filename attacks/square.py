"""Square: random search over rectangles of saturated pixels, by scores alone.

Andriushchenko et al., "Square Attack" (ECCV 2020), algorithm 2 for Linf. The perturbation starts
as vertical stripes of +-eps. A step sets a random rectangle to +-eps, one sign a channel, and
stays if the loss falls; the area of the rectangles shrinks by a fixed schedule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from attacks.black_box import BlackBoxAttack, BlackBoxConfig
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.guides import mean_positive
from benchmark.core.plugin import Card
from benchmark.core.seeding import uniform_noise
from benchmark.core.threat import Intent, ThreatModel

HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""Steps, of 10000, after which the area is half of what it was."""

Loss = Callable[[Tensor], Tensor]


class Square(BlackBoxAttack):
    """Square: random search over rectangles, judged by the similarity to the true matches."""

    threat: ClassVar[ThreatModel] = ThreatModel(knowledge="score")
    intents: ClassVar[frozenset[Intent]] = frozenset({"dodge", "impersonate", "rank-down"})
    card: ClassVar[Card] = Card(
        title="Square attack",
        paper="Andriushchenko et al., ECCV 2020, arXiv 1912.00049",
        references=("andriushchenko2020",),
        claims="Random search without gradients comes close to white-box attacks.",
        notes="Published: stripes, rectangles, acceptance, the first area of 0.8 and its halvings, "
        "stretched to the answers given. Chosen: rectangles like the image in shape (published: "
        "squares, which do not cover it); the stripes, too, must lower the loss; a rectangle that "
        "changes nothing has its signs flipped (published: drawn again); 1000 answers, without an "
        "early stop; the loss. On the canary at 8/255 matches leave mAP 5.2, the margin 10.1.",
    )

    class Config(BlackBoxConfig):
        """Options."""

        objective: Literal["matches", "margin"] = "matches"
        """What falls: the mean cosine to the true matches, or the lead of the nearest match over
        the nearest other gallery image."""
        area: float = Field(default=0.8, gt=0, le=1)
        """Share of the image that the first rectangles cover."""

    config: Config

    def search(self, oracle: nn.Module, batch: AttackBatch) -> Tensor:
        """Return the images of lowest loss; the clean one has an answer to start with."""
        clean, steps = batch.images, self.config.queries
        rows = torch.arange(len(clean), device=clean.device)
        height, width = clean.shape[2:]
        loss = self.loss(batch)
        stripes, draws = _draw(batch.seeds, width, steps - 1, clean)
        best, lowest = clean, loss(batch.clean)
        for step in range(steps):
            if step == 0:
                tried = self.project(clean + self.radius * stripes, clean)
            else:
                sides = rectangle(step - 1, steps, self.config.area, (height, width))
                tried = self._with_rectangle(best, clean, draws[:, step - 1], sides)
            values = loss(oracle(tried, rows))
            better = values < lowest
            best = torch.where(better[:, None, None, None], tried, best)
            lowest = torch.where(better, values, lowest)
            self.trace.append(float(lowest.mean()))
            self.keep(best, step + 1)
        return best

    def loss(self, batch: AttackBatch) -> Loss:
        """Return the function from (B, D) embeddings to the (B,) losses, both for these images."""
        guides, own = batch.gallery_guides, F.normalize(batch.clean)
        matches = guides.positive_mask(batch.pids, batch.camids, batch.gallery_rows)
        if self.config.objective == "matches":
            mean = mean_positive(guides, matches, own, unit=True)
            return lambda embeddings: batch.direction * (F.normalize(embeddings) * mean).sum(1)
        vectors = guides.vectors(unit=True)
        others = ~guides.positive_mask(batch.pids) & ~guides.junk[None, :]

        def lead(embeddings: Tensor) -> Tensor:
            cosines = F.normalize(embeddings) @ vectors.T
            match = cosines.masked_fill(~matches, -1.0).amax(1)
            other = cosines.masked_fill(~others, -1.0).amax(1)
            return batch.direction * (match - other)

        return lead

    def _with_rectangle(
        self, images: Tensor, clean: Tensor, draws: Tensor, sides: tuple[int, int]
    ) -> Tensor:
        """Return images with one rectangle of clean +- eps; `draws` (B, 5) in [-1, 1) place it."""
        inside = _covers(draws[:, 0], sides[0], clean.shape[2])[:, None, :, None]
        inside = inside & _covers(draws[:, 1], sides[1], clean.shape[3])[:, None, None, :]
        signs = _signs(draws[:, 2:, None, None])
        tried, flipped = (
            torch.where(inside, self.project(clean + sign * self.radius, clean), images)
            for sign in (signs, -signs)
        )
        idle = (tried == images).all(3).all(2).all(1)
        return torch.where(idle[:, None, None, None], flipped, tried)


def rectangle(step: int, steps: int, area: float, size: tuple[int, int]) -> tuple[int, int]:
    """Return height and width of the rectangles of a step, like the image in shape.

    Args:
        step: From 0.
        steps: Steps in all; the published schedule for 10000 is stretched to them.
        area: Share of the image that the first one covers.
        size: Height and width of the image.
    """
    published = int(step / steps * 10000)
    share = area / 2 ** sum(published > after for after in HALVINGS)
    height, width = (min(max(round(share**0.5 * side), 1), side) for side in size)
    return height, width


def _draw(seeds: list[int], width: int, steps: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return (B, 3, 1, W) signs of the stripes and (B, steps, 5) numbers in [-1, 1)."""
    noise = uniform_noise(seeds, (3 * width + 5 * steps,)).to(like)
    stripes, draws = noise[:, : 3 * width], noise[:, 3 * width :]
    return _signs(stripes.reshape(len(seeds), 3, 1, width)), draws.reshape(len(seeds), steps, 5)


def _signs(draws: Tensor) -> Tensor:
    return torch.where(draws < 0, -1.0, 1.0).to(draws.dtype)


def _covers(draws: Tensor, side: int, size: int) -> Tensor:
    """Return (B, size), true over `side` pixels that start at a place drawn in [-1, 1)."""
    first = ((draws + 1) / 2 * (size - side + 1)).floor().clamp_(max=size - side)[:, None]
    pixels = torch.arange(size, device=draws.device)
    return (pixels >= first) & (pixels < first + side)
