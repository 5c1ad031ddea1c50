"""Craft adversarial images of a set and embed them in the forms in which they may arrive."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.core.attack import Attack, AttackOutcome
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.batches import Batches
from benchmark.core.crafting_precision import CraftingPrecision, crafting_in
from benchmark.core.encoder import embed, evaluating
from benchmark.core.errors import UsageError
from benchmark.core.image_set import ImageSet
from benchmark.core.legal_images import round_to_8_bits
from benchmark.core.progress import Bar
from benchmark.core.seeding import derive_seed, torch_seeded
from benchmark.data.jpeg import through_jpeg
from benchmark.evaluation.attack_inputs import AttackInputs, ImageSide
from benchmark.evaluation.crafting_batch import crafting_batch
from benchmark.evaluation.perturbed_images import Form, Key, PerturbedImages
from benchmark.evaluation.shards import Shard

MOST_KEPT_BYTES = 64 * 2**20
"""Adversarial images of a set that are kept until they are ranked, so that some can be shown."""


def craft(
    encoder: nn.Module,
    attack: Attack,
    inputs: AttackInputs,
    side: ImageSide,
    *,
    seed: int,
    batch: int,
    bar: Bar,
    owner: str,
    shard: Shard | None = None,
    adjusts: bool = False,
    precision: CraftingPrecision = "float32",
) -> PerturbedImages:
    """Attack the images of a set that are to be perturbed, and embed the result.

    A random encoder embeds the images of every attack, and all their forms, with the same noise: a
    worst case over attacks is then not the luckiest of so many draws.

    Args:
        encoder: What ranks, and therefore embeds the result.
        attack: The attack.
        inputs: What it is handed.
        side: The set.
        seed: Attack seed, from which a random encoder's noise derives when it is measured.
        batch: Images at a time.
        bar: Advanced by the number of finished images.
        owner: Name of the defense, for error messages.
        shard: Which of these images; None: all of them.
        adjusts: Whether memory may change the batch; see `Batches`.
        precision: In which the attack crafts; the result is embedded in float32.

    Raises:
        UsageError: The attack is given a target and does not look at it.
        PluginError: The attack or the encoder broke its contract.
    """
    rows = inputs.rows(side)
    first, stop = (0, len(rows)) if shard is None else (shard.start, shard.stop)
    tally, view = _Tally(stop - first), inputs.view.encoder
    keeps = len(rows) * inputs.images(side).images[0].nbytes <= MOST_KEPT_BYTES

    def attacked(part: slice) -> None:
        start = first + part.start
        attack_batch = inputs.batch(side, rows[start : first + part.stop], attack.name)
        if start == 0 and attack.threat_with(attack.config).knowledge != "none":
            _check_that_targets_matter(attack, view, attack_batch, inputs.images(side))
        with _telling(bar, view), crafting_in(precision):
            outcome = attack.run(view, attack_batch)
        rounded = round_to_8_bits(outcome.images, attack_batch.images, attack.eps_255)
        forms: dict[Form, Tensor] = {
            "rounded": rounded,
            "float": outcome.images,
            "jpeg": through_jpeg(rounded),
        }
        noise = derive_seed(seed, "noise of the measurement", start)
        with torch.no_grad(), evaluating(encoder):
            for name, images in forms.items():
                embedded = _embed(encoder, images, noise, owner)
                tally.keep(tally.embeddings, name, start - first, embedded)
            for spent, images in outcome.snapshots.items():
                kept = round_to_8_bits(images, attack_batch.images, attack.eps_255)
                embedded = _embed(encoder, kept, noise, owner)
                tally.keep(tally.snapshots, spent, start - first, embedded)
        farthest = float((rounded - attack_batch.images).abs().max()) * 255
        shown = (rounded * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy() if keeps else None
        tally.add(outcome, farthest, shown)  # at the end: a batch that memory ran out of is not in
        bar.advance(len(attack_batch.images))

    if adjusts:
        batch = crafting_batch(inputs, side, rows[first:stop], batch, owner)
    device, whose = inputs.device, f"{owner}: {attack.name}"
    batches = Batches(stop - first, batch, adjusts=adjusts, device=device, owner=whose)
    batches.run(attacked)
    return tally.total(rows[first:stop], batches.halved_to)


@contextmanager
def _telling(bar: Bar, view: nn.Module) -> Iterator[None]:
    """Tell of each pass through what an attack sees, and how many images a second go forward.

    One batch may take minutes. A pass backward is part of the time.
    """
    passes, images, start = 0, 0, time.perf_counter()

    def told(_: nn.Module, given: tuple[Tensor, ...], __: object) -> None:
        nonlocal passes, images
        passes, images = passes + 1, images + len(given[0])
        bar.advance(0, f"pass {passes}, {images / (time.perf_counter() - start):.0f} img/s")

    hook = view.register_forward_hook(told)
    try:
        yield
    finally:
        hook.remove()


def _embed(encoder: nn.Module, images: Tensor, noise: int, owner: str) -> Tensor:
    with torch_seeded(noise, images.device):
        return embed(encoder, images, owner).float().cpu()


@dataclass
class _Tally:
    """Adds up the batches of an attack."""

    count: int
    embeddings: dict[Form, Tensor] = field(default_factory=dict)
    snapshots: dict[int, Tensor] = field(default_factory=dict)
    outcomes: list[AttackOutcome] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)
    farthest: float = 0.0
    images: hashlib._Hash = field(default_factory=hashlib.sha256)
    kept: list[NDArray[np.uint8]] = field(default_factory=list)

    def keep(self, kept: dict[Key, Tensor], key: Key, start: int, embedded: Tensor) -> None:
        """Write the embeddings of a batch where they stay; see `embed_images` for why."""
        if key not in kept:
            kept[key] = torch.full((self.count, embedded.shape[1]), torch.nan)
        kept[key][start : start + len(embedded)] = embedded

    def add(self, outcome: AttackOutcome, farthest: float, shown: NDArray[np.uint8] | None) -> None:
        self.images.update(outcome.images.contiguous().cpu().numpy().tobytes())
        self.weights.append(len(outcome.images))
        self.outcomes.append(replace(outcome, images=outcome.images[:0].clone(), snapshots={}))
        self.farthest = max(self.farthest, farthest)
        if shown is not None:
            self.kept.append(shown)

    def total(self, rows: NDArray[np.int64], halved_to: int | None) -> PerturbedImages:
        return PerturbedImages(
            rows=rows,
            embeddings=self.embeddings,
            snapshots=self.snapshots,
            seconds=sum(one.seconds for one in self.outcomes),
            forwards=sum(one.forwards for one in self.outcomes),
            backwards=sum(one.backwards for one in self.outcomes),
            queries=sum(one.queries for one in self.outcomes),
            max_distance_255=self.farthest,
            traces=[one.trace for one in self.outcomes],
            weights=self.weights,
            images_sha256=self.images.hexdigest(),
            images=np.concatenate(self.kept) if self.kept else None,
            halved_to=halved_to,
        )


def _check_that_targets_matter(
    attack: Attack, view: nn.Module, batch: AttackBatch, own: ImageSet
) -> None:
    """Attack one image toward two targets: an attack that ignores its target cannot have one."""
    others = batch.pids[batch.pids != batch.pids[0]]
    own_pid = int(own.pids[int(batch.query_rows[0])])
    if int(batch.pids[0]) == own_pid or not len(others):
        return
    first = batch.rows(torch.tensor([0], device=batch.pids.device))
    images = [
        attack.run(view, _with_target(first, pid)).images for pid in (batch.pids[0], others[0])
    ]
    if torch.equal(*images):
        raise UsageError(
            f"attack {attack.name!r} does not look at its target identity",
            "it can dodge only, or no image that guides it shows the target; metric-ifgsm and "
            "metric-pgd are guided by the gallery, and fna with attack.fna.guides=gallery",
        )


def _with_target(batch: AttackBatch, pid: Tensor) -> AttackBatch:
    return replace(batch, pids=pid.reshape(1))
