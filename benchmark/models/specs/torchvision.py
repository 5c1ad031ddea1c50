"""Classification networks of torchvision, without the layer that classifies."""

from __future__ import annotations

import re

from torch import nn
from torchvision import models

from benchmark.core.errors import UsageError
from benchmark.models.specs.key_rules import KeyRules
from benchmark.models.specs.kinds import SpecKind, check_known

HEADS = ("fc", "classifier", "head", "heads")
"""Where torchvision's networks keep what classifies."""
AUXILIARY = r"(AuxLogits|aux1|aux2)\..*"
"""Classifiers that Inception and GoogLeNet are trained with."""


class Torchvision(SpecKind):
    """``torchvision:NAME``."""

    def check(self, argument: str) -> None:
        """Refuse an unknown network; see `SpecKind.check`."""
        check_known("torchvision", argument, models.list_models(module=models))

    def build(self, argument: str, size: tuple[int, int], feature: str | None) -> nn.Module:
        """Build the network; see `SpecKind.build`."""
        network: nn.Module = models.get_model(argument, weights=None)
        network.set_submodule(classifier_name(network, f"torchvision:{argument}"), nn.Identity())
        for name in ("AuxLogits", "aux1", "aux2"):
            if isinstance(getattr(network, name, None), nn.Module):
                setattr(network, name, None)
        return network.eval()

    def rules(self, argument: str, network: nn.Module) -> KeyRules:
        """Return the rules: the classifiers are dropped."""
        dropped = [
            name
            for name, part in network.named_modules()
            if isinstance(part, nn.Identity) and name.split(".")[0] in HEADS
        ]
        return KeyRules(dropped=(*(rf"{re.escape(name)}\..*" for name in dropped), AUXILIARY))


def classifier_name(network: nn.Module, spec: str) -> str:
    """Return the name of the last linear layer, which classifies.

    Raises:
        UsageError: There is none.
    """
    found: list[str] = [
        name
        for name, part in network.named_modules()
        if isinstance(part, nn.Linear) and name.split(".")[0] in HEADS
    ]
    if not found:
        raise UsageError(
            f"{spec} ends in no linear classifier that could be dropped",
            "build it in a factory of your own: --set defense.factory=package.module:callable",
        )
    return found[-1]
