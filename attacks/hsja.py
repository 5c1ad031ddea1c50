"""HSJA: walks along the decision boundary toward the clean image, by rank lists alone.

Chen, Jordan, Wainwright, "HopSkipJumpAttack" (IEEE S&P 2020), Linf version. An image succeeds if
no true match is among the first k results. From a noise image that succeeds, each round

1. estimates the normal of the boundary from successes and failures around the current image,
2. steps along its sign by distance / sqrt(round), halved until the image succeeds,
3. and goes back to the boundary by bisecting the radius of the ball that it is clipped to.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from attacks.black_box import Answers, BlackBoxAttack, BlackBoxConfig
from benchmark.core.attack import AttackBatch
from benchmark.core.plugin import Card
from benchmark.core.threat import ThreatModel

type_of_walk = Generator[Tensor, Tensor, None]


class HSJAConfig(BlackBoxConfig):
    """Options."""

    queries: Answers = 2000
    k: int = Field(default=10, ge=1)
    """Results in which a true match is a failure."""
    starts: int = Field(default=50, ge=1)
    """Noise images that are tried before it gives up."""
    probes: int = Field(default=100, ge=2)
    """Answers for the first normal; round t takes sqrt(t) times as many."""
    probe_share: float = Field(default=0.1, gt=0)
    """Length of a probe as a share of the distance."""
    coarseness: int = Field(default=4, ge=1)
    """Pixels of the image for one of the probes, along each side."""
    halvings: int = Field(default=8, ge=1)
    """Answers for the step of a round, at most."""
    bisections: int = Field(default=10, ge=1)
    """Answers for the way back to the boundary."""
    push: str = "none"


class HSJA(BlackBoxAttack):
    """HSJA: the nearest image without a true match among the first results, by bisection."""

    threat: ClassVar[ThreatModel] = ThreatModel(knowledge="decision")
    card: ClassVar[Card] = Card(
        title="HopSkipJumpAttack on rank lists",
        paper="Chen et al., IEEE S&P 2020, arXiv 1904.02144",
        claims="A decision alone leads close to the boundary with a few thousand answers.",
        notes="TODO",
    )

    Config = HSJAConfig
    config: HSJAConfig

    def search(self, oracle: nn.Module, batch: AttackBatch) -> Tensor:
        """Let every image walk on its own; what they submit is asked for together."""
        walkers = [
            _Walker(clean, seed, self.config, self.schedule())
            for clean, seed in zip(batch.images, batch.seeds, strict=True)
        ]
        walks = [walker.walk() for walker in walkers]
        submitted = {row: next(walk) for row, walk in enumerate(walks)}
        while submitted:
            answers = self._ask(oracle, batch, submitted)
            submitted = {}
            for row, succeeds in answers.items():
                try:
                    submitted[row] = walks[row].send(succeeds)
                except StopIteration:
                    continue
        self.raw = torch.stack([w.found for w in walkers])
        self.w = walkers
        for mark in self.schedule():
            images = torch.stack([walker.kept.get(mark, walker.found) for walker in walkers])
            self.snapshot(self._legal(images, batch.images), mark)
        return self._legal(torch.stack([walker.found for walker in walkers]), batch.images)

    def _legal(self, images: Tensor, clean: Tensor) -> Tensor:
        d = images - clean
        if self.config.push == "scale":
            n = d.abs().flatten(1).amax(1)[:, None, None, None].clamp_min(1e-12)
            d = torch.where(n < self.eps, d / n * self.eps, d)
        elif self.config.push == "sign":
            d = d.sign() * self.eps
        return self.project(clean + d, clean)

    def _ask(
        self, oracle: nn.Module, batch: AttackBatch, submitted: dict[int, Tensor]
    ) -> dict[int, Tensor]:
        """Return (N,) by row of the batch whether its submitted images succeed."""
        counts = [len(images) for images in submitted.values()]
        rows = torch.tensor(list(submitted)).repeat_interleave(torch.tensor(counts))
        rows = rows.to(batch.images.device)
        images, piece = torch.cat(list(submitted.values())), max(64, len(batch.images))
        succeeds = [
            self._succeeds(oracle(part, own, self.config.k), own, batch)
            for part, own in zip(images.split(piece), rows.split(piece), strict=True)
        ]
        return dict(zip(submitted, torch.cat(succeeds).split(counts), strict=True))

    @staticmethod
    def _succeeds(listed: Tensor, rows: Tensor, batch: AttackBatch) -> Tensor:
        """Return (N,) whether no true match is among the (N, k) listed gallery rows."""
        guides = batch.gallery_guides
        matches = guides.positive_mask(batch.pids, batch.camids, batch.gallery_rows)
        return ~matches[rows].gather(1, listed).any(1)


class _Walker:
    def __init__(self, clean: Tensor, seed: int, config: HSJAConfig, marks: list[int]) -> None:
        self.clean, self.config, self.marks = clean, config, marks
        self.generator = torch.Generator().manual_seed(seed)
        self.found = clean
        self.kept: dict[int, Tensor] = {}
        self.spent = 0

    @property
    def left(self) -> int:
        return self.config.queries - self.spent

    def walk(self) -> type_of_walk:
        config = self.config
        if bool((yield from self._submit(self.clean[None]))):
            return
        start = yield from self._start()
        if start is None:
            return
        reserve = config.halvings + config.bisections
        current = yield from self._to_boundary(start, config.bisections)
        turn = 1
        while self.left > reserve + 1:
            probes = min(round(config.probes * turn**0.5), self.left - reserve)
            normal = yield from self._normal(current, probes)
            current = yield from self._step(current, normal, turn)
            current = yield from self._to_boundary(current, config.bisections)
            turn += 1
        self.turns = turn
        yield from self._to_boundary(current, self.left)

    def _submit(self, images: Tensor) -> Generator[Tensor, Tensor, Tensor]:
        for mark in self.marks:
            if self.spent <= mark < self.spent + len(images):
                self.kept[mark] = self.found
        self.spent += len(images)
        return (yield images)

    def _succeeds(self, image: Tensor) -> Generator[Tensor, Tensor, bool]:
        return bool((yield from self._submit(image[None])))

    def _start(self):
        for attempt in range(min(self.config.starts, self.left)):
            noise = self._noise(1, 2 ** (attempt % 4))[0] / 2 + 0.5
            self.found = noise
            if (yield from self._succeeds(noise)):
                return noise
        return None

    def _to_boundary(self, image: Tensor, bisections: int):
        inner, outer = 0.0, self._distance(image)
        for _ in range(min(bisections, self.left)):
            radius = (inner + outer) / 2
            trial = self._clipped(image, radius)
            if (yield from self._succeeds(trial)):
                outer = radius
            else:
                inner = radius
        image = self._clipped(image, outer)
        if outer < self._distance(self.found):
            self.found = image
        return image

    def _clipped(self, image: Tensor, radius: float) -> Tensor:
        return torch.minimum(torch.maximum(image, self.clean - radius), self.clean + radius)

    def _normal(self, image: Tensor, count: int):
        noise = self._noise(count, self.config.coarseness)
        length = self.config.probe_share * self._distance(image)
        probes = (image + length * noise).clamp(0, 1)
        weights = torch.where((yield from self._submit(probes)), 1.0, -1.0).to(image)
        if weights.min() != weights.max():
            weights = weights - weights.mean()
        return torch.einsum("n,nchw->chw", weights, probes - image)

    def _step(self, image: Tensor, normal: Tensor, turn: int):
        size = self._distance(image) / turn**0.5
        for _ in range(min(self.config.halvings, self.left)):
            trial = (image + size * normal.sign()).clamp(0, 1)
            if (yield from self._succeeds(trial)):
                return trial
            size /= 2
        return image

    def _distance(self, image: Tensor) -> float:
        return float((image - self.clean).abs().max())

    def _noise(self, count: int, coarseness: int) -> Tensor:
        height, width = self.clean.shape[1:]
        sides = [max(1, round(side / coarseness)) for side in (height, width)]
        noise = 2 * torch.rand(count, 3, *sides, generator=self.generator) - 1
        return F.interpolate(noise.to(self.clean), (height, width), mode="nearest")
