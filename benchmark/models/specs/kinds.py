"""What every kind of spec answers: the network, its usual preprocessing, its keys."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, ClassVar

from torch import Tensor, nn

from benchmark.core.errors import UsageError, unknown_name
from benchmark.models.backbone import IMAGENET_MEAN, IMAGENET_STD
from benchmark.models.specs.config import KINDS
from benchmark.models.specs.key_rules import KeyRules
from benchmark.models.specs.preprocessing import Preprocessing

PERSON_SIZE = (256, 128)
"""Height and width at which the field feeds crops of persons."""
USUAL: Mapping[str, Any] = {
    "size": PERSON_SIZE,
    "resize": "bilinear",
    "mean": IMAGENET_MEAN,
    "std": IMAGENET_STD,
    "channels": "rgb",
    "range": "0-1",
    "flip": False,
}
"""Preprocessing of torchvision's transforms with the statistics of ImageNet."""


class SpecKind(ABC):
    """One kind of spec; `argument` is what stands behind the colon, or for files their path."""

    has_neck: ClassVar[bool] = False
    """Whether its networks end in a BNNeck."""

    @abstractmethod
    def check(self, argument: str) -> None:
        """Refuse what it does not have, before any work.

        Raises:
            UsageError: There is no such network, or its package is not installed.
        """

    def usual(self, argument: str) -> dict[str, Any]:
        """Return the preprocessing of its project, for all that is left unset."""
        return dict(USUAL)

    @abstractmethod
    def build(self, argument: str, size: tuple[int, int], feature: str | None) -> nn.Module:
        """Return the network without its classifier, in eval mode.

        Args:
            argument: Which one.
            size: (H, W) that it is given.
            feature: ``before`` or ``after`` the BNNeck, if it has one.

        Raises:
            UsageError: There is no such network, or its package is not installed.
        """

    def rules(self, argument: str, network: nn.Module) -> KeyRules:
        """Return how the keys of its checkpoints become those of the network."""
        return KeyRules()

    def resized(
        self, network: nn.Module, state: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], list[str]]:
        """Return weights in the shapes of the network, and what was resized, a line each."""
        return dict(state), []

    def warnings(self, state: Mapping[str, Tensor], preprocessing: Preprocessing) -> list[str]:
        """Return what in a file speaks against the declared preprocessing, a line each."""
        return []

    def notes(self, argument: str, size: tuple[int, int]) -> dict[str, object]:
        """Return what else the record tells of how the network was made."""
        return {}

    def gradient_problem(self, argument: str, size: tuple[int, int]) -> str:
        """Return why the network has no gradient; empty if it has one."""
        return ""


def kind_named(name: str) -> SpecKind:
    """Return a kind of spec; its module is imported on demand."""
    module, _, attribute = KINDS[name].partition(":")
    kind: SpecKind = getattr(import_module(module), attribute)()
    return kind


def check_known(kind: str, name: str, known: Iterable[str]) -> None:
    """Refuse a network that a kind does not have.

    Raises:
        UsageError: It is none of them; the closest ones are given.
    """
    names = list(known)
    if name not in names:
        if not get_close_matches(name, names, cutoff=0.5) and len(names) > 20:
            raise UsageError(
                f"unknown network {kind}:{name}", f"such as {kind}:{names[0]}; {kind} lists them"
            )
        raise unknown_name("network", f"{kind}:{name}", [f"{kind}:{one}" for one in names])
