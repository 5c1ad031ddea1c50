"""Attack images of the caller's."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from benchmark.core.attack import Attack
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.encoder import embed, evaluating
from benchmark.core.errors import DataError, UsageError
from benchmark.core.guides import Guides
from benchmark.core.registry import ATTACKS
from benchmark.core.seeding import derive_seed

Gallery = tuple[Tensor, Tensor, Tensor]
"""Images, identities and cameras."""


def attack(
    name: str,
    encoder: nn.Module,
    images: Tensor,
    pids: Tensor,
    camids: Tensor,
    *,
    gallery: Gallery | None = None,
    eps: float = 8,
    seed: int = 0,
    batch: int = 64,
    **options: object,
) -> Tensor:
    """Return adversarial images, checked to be within the budget.

    The encoder runs in eval mode and float32, and comes back as it was.

    Args:
        name: Registry name.
        encoder: From images in [0, 1] to embeddings (B, D), on the device of the images.
        images: (N, 3, H, W) float32 in [0, 1].
        pids: (N,) positive identities.
        camids: (N,) cameras.
        gallery: Images (G, 3, H, W), identities (G,) and cameras (G,) that the images are ranked
            against; None: the other ones of `images`.
        eps: Budget in 1/255 units.
        seed: Attack seed; each image draws by it and by its place.
        batch: Images at a time.
        options: Options of the attack.

    Returns:
        (N, 3, H, W) float32 in [0, 1], no pixel farther than `eps` from `images`. Save them as PNG
        to attack with what an 8-bit image holds.

    Raises:
        UsageError: An unknown attack, option or value, or an attack that is trained first.
        DataError: Images or labels of a wrong shape, type or range.
        PluginError: The encoder or the attack broke its contract.
    """
    plugin = cast(type[Attack], ATTACKS.get(name))
    owner = type(encoder).__name__
    made = plugin(plugin.parse_config(dict(options)), eps, owner)
    if made.needs_preparation or plugin.surrogates(made.config):
        raise UsageError(
            f"attack {name!r} is trained first, on images that it does not attack",
            "use benchmark.evaluate, which trains it",
        )
    check_images("images", images, pids, camids)
    own = _guides(encoder, images, pids, camids, owner, batch)
    other = own
    if gallery is not None:
        check_images("gallery", *gallery)
        other = _guides(encoder, *gallery, owner, batch)
    parts = []
    for rows in torch.split(torch.arange(len(images), device=images.device), batch):
        seeds = [derive_seed(seed, name, int(row)) for row in rows]
        given = AttackBatch.of_rows(images[rows], seeds, rows, own, other)
        parts.append(made.run(encoder, given).images)
    return torch.cat(parts)


def check_images(what: str, images: Tensor, pids: Tensor, camids: Tensor) -> None:
    """Refuse images and labels that no attack can work with.

    Raises:
        DataError: A wrong shape, type or range.
    """
    if images.ndim != 4 or images.shape[1] != 3 or not len(images):
        raise DataError(f"{what}: shape {tuple(images.shape)}", "give images (N, 3, H, W)")
    if images.dtype != torch.float32:
        raise DataError(
            f"{what}: {images.dtype}, not float32 in [0, 1]",
            "convert them, such as images.float() / 255 for 8-bit ones",
        )
    low, high = float(images.min()), float(images.max())
    if not (low >= 0 and high <= 1):
        raise DataError(
            f"{what}: values from {low:.3g} to {high:.3g}, not in [0, 1]",
            "divide by 255, or take out a normalisation: it belongs into the encoder",
        )
    for label, values in (("pids", pids), ("camids", camids)):
        if values.shape != (len(images),) or values.is_floating_point():
            raise DataError(
                f"{what}: {label} is {values.dtype} of shape {tuple(values.shape)} for "
                f"{len(images)} images",
                "give one whole number for each image",
            )


def _guides(
    encoder: nn.Module, images: Tensor, pids: Tensor, camids: Tensor, owner: str, batch: int
) -> Guides:
    with torch.no_grad(), evaluating(encoder):
        embeddings = torch.cat([embed(encoder, part, owner) for part in torch.split(images, batch)])
    return Guides(embeddings, pids.to(images.device), camids.to(images.device))
