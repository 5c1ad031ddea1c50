"""Weights of a published row, by name: ``zoo:ddid``. Nothing is trained, it is attacked.

What an attacker must know is declared by the defense behind the entry, which also builds the
encoder. So the behaviour of an entry covers that defense and, if it wraps another one, that one,
too; the weights are in the options by their SHA-256.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Literal, cast

from pydantic import create_model
from torch import nn

from benchmark.core.defense import Defense, FitTask
from benchmark.core.errors import UsageError
from benchmark.core.parametrised import Parametrised
from benchmark.core.plugin import Card, Plugin, PluginConfig, options_of
from benchmark.core.registry import DEFENSES
from benchmark.models.zoo import zoo_card
from benchmark.models.zoo_card import ZooCard
from benchmark.models.zoo_encoder import defense_of, plain_factory, zoo_encoder
from defenses.wrapped import WrappedDefense


class Zoo(Defense, Parametrised):
    """Weights of a published row: `zoo:NAME`, or `zoo` for all; nothing is trained."""

    card = Card(
        title="Published weights",
        notes="One training of the row, seed 0; the card beside the weights tells how it was made.",
    )
    trains: ClassVar[bool] = False
    example: ClassVar[str] = "ddid"
    sources: ClassVar[tuple[str, ...]] = ()
    """The weights are in the options, by their content."""
    entry: ClassVar[ZooCard | None] = None
    """Card of the entry; none of the class that stands for all of them."""

    class Config(PluginConfig):
        """Options."""

        weights_sha256: str = ""
        """SHA-256 of the weights; filled in. Given: the entry must have it."""

    @classmethod
    def with_argument(cls, argument: str) -> type[Zoo]:
        """Return the class of an entry."""
        entry = zoo_card(argument)
        plugin = cast(type[Defense], DEFENSES.get(entry.defense.name))
        sha256 = entry.weights.sha256
        members = {
            "__doc__": f"Published weights of {entry.label}; nothing is trained.",
            "__module__": cls.__module__,
            "Config": create_model(
                "Config",
                __base__=cls.Config,
                __module__=cls.__module__,
                weights_sha256=(Literal[sha256], sha256),  # type: ignore[arg-type]
            ),
            "card": plugin.card.model_copy(update={"licence": entry.licence}),
            "entry": entry,
        }
        return type(cls.__name__, (cls,), members)

    @classmethod
    def parts(cls) -> tuple[type[Plugin], ...]:
        """Return the defense behind the entry, and the one that it wraps."""
        if cls.entry is None:
            return ()
        behind = defense_of(cls.entry)
        wrapped = (type(behind.base),) if isinstance(behind, WrappedDefense) else ()
        return (type(behind), *wrapped)

    def __init__(self, config: PluginConfig) -> None:
        super().__init__(config)
        if self.entry is None:
            return
        self.behind = defense_of(self.entry)
        self.adaptive = self.behind.adaptive
        self.black_box = self.behind.black_box
        self.also_seen = (*self.behind.trained_against, *self.behind.also_seen)

    @property
    def chosen(self) -> ZooCard:
        """Card of the entry.

        Raises:
            UsageError: None was chosen.
        """
        if self.entry is None:
            self.check_argument(self.name)
        assert self.entry is not None
        return self.entry

    def check(self) -> None:
        """Ask for an entry."""
        assert self.chosen

    def check_setting(self, image_size: tuple[int, int], backbone: Mapping[str, object]) -> None:
        """Refuse images of another size and another network than the weights are made for."""
        card, wanted = self.chosen, options_of(self.chosen.backbone)
        if image_size != card.image_size:
            raise UsageError(
                f"{self.name!r} is made for images of {_by(card.image_size)}, "
                f"and the run's have {_by(image_size)}",
                f"--set image_size=[{card.image_size[0]},{card.image_size[1]}], "
                "or leave --preset out",
            )
        for key in ("name", "width"):
            if backbone[key] != wanted[key]:
                raise UsageError(
                    f"{self.name!r} has backbone.{key} {wanted[key]}, "
                    f"and the run's is {backbone[key]}",
                    f"--set backbone.{key}={wanted[key]}, or leave --preset out",
                )

    def backbone_name(self, chosen: str) -> str:
        """Return the network of the weights."""
        return self.behind.backbone_name(self.chosen.backbone.name)

    def epochs(self, planned: int, inner_steps: int) -> int:
        """Return 0: nothing is trained."""
        return 0

    def build_encoder(self, factory: Callable[[], nn.Module]) -> nn.Module:
        """Return an untrained encoder of the shape of the weights, whatever the run's is."""
        return self.behind.build_encoder(plain_factory(self.chosen))

    def surrogate(self, encoder: nn.Module) -> nn.Module | None:
        """Return the stand-in that the defense behind the entry offers."""
        return self.behind.surrogate(encoder)

    def fit(self, task: FitTask) -> nn.Module:
        """Return the encoder with its weights."""
        return zoo_encoder(self.chosen)


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"
