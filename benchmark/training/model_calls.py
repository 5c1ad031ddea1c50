"""How the model of a training is called: as it is, or compiled by torch."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from benchmark.core.defense import Output
from benchmark.core.device import DevicePolicy
from benchmark.core.encoder import evaluating
from benchmark.core.plugin_errors import told
from benchmark.models.encoder import ReIDModel

logger = logging.getLogger(__name__)

COMPILED = "compiled"


@dataclass(frozen=True)
class ModelCalls:
    """What runs the model.

    Attributes:
        model: From images to an `Output`.
        encoder: From images to embeddings; shares its weights.
        how: ``compiled``, or why it is not; empty if nobody asked.
    """

    model: nn.Module
    encoder: nn.Module
    how: str = ""


def as_it_is(model: ReIDModel, how: str = "") -> ModelCalls:
    """Return the calls of a model that is not compiled."""
    return ModelCalls(model, model.encoder, how)


def compiled(model: ReIDModel, images: Tensor, policy: DevicePolicy) -> ModelCalls:
    """Return the calls of a compiled model, tried out in all ways that a step calls it.

    torch.compile fails for many reasons, such as a missing C++ compiler, and some only when it goes
    backward. Whatever it is, the training goes on without it, and says why.

    Args:
        model: What is trained; its buffers and gradients stay as they are.
        images: (B, 3, H, W) images like those of a batch.
        policy: Device and precision of the update.
    """
    calls = ModelCalls(torch.compile(model), torch.compile(model.encoder), COMPILED)  # type: ignore[arg-type]
    kept = {name: buffer.clone() for name, buffer in model.named_buffers()}
    try:
        for batch in (images, torch.cat([images, images])):
            _try_out(calls, model, batch, policy)
    except Exception as error:
        reason = told(error)
        logger.warning("torch.compile failed (%s); the training goes on without it", reason)
        return as_it_is(model, reason)
    finally:
        for name, buffer in model.named_buffers():
            buffer.copy_(kept[name])
        model.zero_grad(set_to_none=True)
    return calls


def _try_out(calls: ModelCalls, model: ReIDModel, images: Tensor, policy: DevicePolicy) -> None:
    model.train()
    with policy.training_precision():
        output = cast(Output, calls.model(images))
    output.logits.float().sum().backward()  # type: ignore[no-untyped-call]
    with evaluating(calls.encoder):
        with torch.no_grad():
            calls.encoder(images)
        leaf = images.clone().requires_grad_(True)
        torch.autograd.grad(calls.encoder(leaf).sum(), leaf)
