"""Encoders of the zoo: the defense behind an entry builds one, and the weights go into it."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from benchmark.core.defense import Defense
from benchmark.core.errors import DataError
from benchmark.core.registry import DEFENSES
from benchmark.models.encoder import build_encoder
from benchmark.models.zoo import zoo_weights
from benchmark.models.zoo_card import ZooCard


def defense_of(card: ZooCard) -> Defense:
    """Return the defense behind an entry, with the options that it was trained with."""
    plugin = cast(type[Defense], DEFENSES.get(card.defense.name))
    return plugin(plugin.parse_config(dict(card.defense.config)))


def plain_factory(card: ZooCard) -> Callable[[], nn.Module]:
    """Return what builds the untrained network of an entry, whose first weights do not matter."""
    config = card.backbone.model_copy(update={"weights": "none"})
    return lambda: build_encoder(config)


def zoo_encoder(card: ZooCard) -> nn.Module:
    """Return the encoder of an entry with its weights, in eval mode.

    Raises:
        DataError: The weights are not those of the card, or do not fit what is built today.
        EnvironmentProblem: They cannot be fetched.
    """
    path = zoo_weights(card)
    encoder = defense_of(card).build_encoder(plain_factory(card))
    try:
        encoder.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        last = str(error).strip().splitlines()[-1].strip()
        raise DataError(
            f"the weights {path} do not fit {card.defense.name!r}: {last}",
            "the code has changed since; install the version that the zoo is of",
        ) from error
    return encoder.eval()
