"""The encoder contract: images in, embeddings out, and the check that this is so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from benchmark.core.errors import EnvironmentProblem, PluginError
from benchmark.core.plugin_errors import hint_of, line_outside_torch, told

Encoder = nn.Module
"""Any module that maps float32 (B, 3, H, W) images in [0, 1] to (B, D) embeddings.

Normalisation, resizing and purification live inside it. Ranking is by cosine on the embeddings.
It is deterministic in eval mode unless its defense declares otherwise.
"""


def embed(encoder: nn.Module, images: Tensor, owner: str) -> Tensor:
    """Return the (B, D) embeddings of (B, 3, H, W) images: the one way to ask a plugin's encoder.

    It is given a copy, because it may write on its input: models that normalise in place are
    common, and the caller's images are needed afterwards, as pixels and as a leaf of autograd.

    Args:
        encoder: Maps images to embeddings.
        images: Stay as they are, whatever the encoder does.
        owner: Name of the defense, for error messages.

    Raises:
        PluginError: The encoder raised, or returned a wrong shape, NaN or infinities.
    """
    return verified_embeddings(embed_unjudged(encoder, images, owner), len(images), owner)


def embed_unjudged(
    encoder: nn.Module, images: Tensor, owner: str, *, copied: bool = True
) -> Tensor:
    """Return the embeddings as `embed` does, before anybody looked whether they are finite.

    Args:
        encoder: Maps images to embeddings.
        images: The images.
        owner: Name of the defense, for error messages.
        copied: Give the encoder a copy; the harness's own, which a training has, writes on none.

    Raises:
        PluginError: The encoder raised, or returned a wrong shape.
    """
    with encoder_faults(owner):
        embeddings: object = encoder(images.clone() if copied else images)
    return shaped_embeddings(embeddings, len(images), owner)


def not_finite(owner: str) -> PluginError:
    """Return the error of an encoder whose embeddings are not finite."""
    return PluginError(
        f"{owner}: the encoder returned NaN or infinite embeddings",
        "check the training for divergence and the forward pass for divisions by zero",
    )


@contextmanager
def encoder_faults(owner: str, doing: str = "") -> Iterator[None]:
    """Turn what an encoder raises in the body into the error of its owner.

    Args:
        owner: Name of the defense.
        doing: What the body does with the encoder, if it is not that it embeds images.
    """
    try:
        yield
    except (PluginError, EnvironmentProblem):
        raise
    except (Exception, SystemExit) as error:
        what = f"{owner}: the encoder raised {told(error)}{line_outside_torch(error)}{doing}"
        raise PluginError(what, hint_of(error)) from error


def verified_embeddings(embeddings: object, batch: int, owner: str) -> Tensor:
    """Return `embeddings` if they are a finite (batch, D) float tensor.

    Raises:
        PluginError: The encoder of `owner` returned something else.
    """
    shaped = shaped_embeddings(embeddings, batch, owner)
    if not bool(torch.isfinite(shaped.detach()).all()):
        raise not_finite(owner)
    return shaped


def shaped_embeddings(embeddings: object, batch: int, owner: str) -> Tensor:
    """Return `embeddings` if they are a (batch, D) float tensor.

    Raises:
        PluginError: The encoder of `owner` returned something else.
    """
    if not isinstance(embeddings, Tensor):
        raise PluginError(
            f"{owner}: the encoder returned {type(embeddings).__name__}, not a tensor",
            "return embeddings of shape (B, D)",
        )
    if embeddings.ndim != 2 or embeddings.shape[0] != batch or embeddings.shape[1] == 0:
        raise PluginError(
            f"{owner}: the encoder returned shape {tuple(embeddings.shape)} for {batch} images",
            "return embeddings of shape (B, D)",
        )
    if not embeddings.is_floating_point():
        raise PluginError(
            f"{owner}: the encoder returned {embeddings.dtype}, not floating-point numbers",
            "return float32 embeddings",
        )
    return embeddings


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Run the body with `module` in eval mode and its parameters free of gradients.

    Batch statistics are not used and not updated; modes and flags are restored afterwards.
    """
    modes = [(part, part.training) for part in module.modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
    module.eval()
    for parameter, _ in flags:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
