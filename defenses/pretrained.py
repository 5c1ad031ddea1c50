"""An encoder that exists already, from wherever it came: nothing is trained, it is measured.

``--set defense.factory=package.module:callable`` names what builds it, ``defense.weights=FILE``
the weights to load into it. What shapes the result is in the configuration by content and not by
place: the hash of the weights file and the hash of the factory's source. So another file under the
same name is another training cell, and the same file in another folder is not.

``encoder=SPEC`` in place of both names a network that `benchmark.models.specs` knows, with its
preprocessing around it; ``run --encoder SPEC --weights FILE`` sets it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import (
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)
from torch import nn

from benchmark.core.defense import RANDOM_WEIGHTS, Adaptive, Defense, FitTask, Preparation
from benchmark.core.encoder import evaluating, verified_embeddings
from benchmark.core.errors import DataError, PluginError, UsageError
from benchmark.core.fingerprint import agreed_sha256, sha256_file
from benchmark.core.plugin import Card, PluginConfig
from benchmark.core.plugin_errors import told
from benchmark.models.foreign_weights import load_foreign, read_state_dict
from benchmark.models.specs.declared import DeclaredEncoder
from benchmark.models.specs.preprocessing import SpecEncoder, shuffled
from defenses.encoder_factory import HOW, encoder_from, factory_sha256

logger = logging.getLogger(__name__)

TRIED_IMAGES = 2
"""Images that the encoder is tried on before it is accepted."""


class Pretrained(Defense):
    """An encoder that exists already: a factory builds it, a file holds its weights."""

    card = Card(
        title="Pretrained encoder",
        notes="Nothing is trained; how the encoder was made, and on what, is its owner's word.",
    )
    trains: ClassVar[bool] = False

    sources: ClassVar[tuple[str, ...]] = ()
    """The factory and the weights are in the options, by their content."""

    class Config(PluginConfig):
        """Options."""

        model_config = ConfigDict(validate_default=True)

        factory: str = ""
        """What returns the encoder, called without arguments: package.module:callable."""
        weights: Path | None = None
        """Weights to load: .safetensors, or a state dict of torch.save; unset: the factory's."""
        factory_sha256: str = ""
        """SHA-256 of the factory's source; filled in. Given: the source must have it."""
        weights_sha256: str = ""
        """SHA-256 of the weights; filled in. Given: the file must have it."""
        random: bool = False
        """The encoder draws random numbers in eval mode; attackers average over draws (EOT)."""
        non_differentiable: bool = False
        """Some part has no useful gradient; a method surrogate() of the encoder is BPDA's."""
        optimises_at_inference: bool = False
        """The encoder runs an optimisation for each image."""
        encoder: DeclaredEncoder | None = None
        """A network by its spec, in place of a factory; what `run --encoder` sets."""

        @model_validator(mode="after")
        def _one_of_both(self) -> Pretrained.Config:
            if self.encoder is not None and (self.factory or self.weights):
                raise UsageError(
                    "defense 'pretrained' has both a factory and an encoder",
                    "give either --encoder SPEC --weights FILE, or defense.factory",
                )
            return self

        @model_serializer(mode="wrap")
        def _without_no_encoder(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
            """Leave an unset encoder out: such cells are as they always were."""
            content: dict[str, Any] = handler(self)
            if self.encoder is None:
                content.pop("encoder")
            return content

        @field_validator("weights")
        @classmethod
        def _can_be_read(cls, weights: Path | None) -> Path | None:
            """Read the weights once before any work, rather than fail after hours of it."""
            if weights is None:
                return None
            path = weights.expanduser().absolute()
            if not path.is_file():
                raise DataError(f"the weights {path} do not exist", "check defense.weights")
            read_state_dict(path)
            return path

        @field_validator("factory_sha256")
        @classmethod
        def _hash_factory(cls, given: str, info: ValidationInfo) -> str:
            factory = info.data.get("factory")
            if not factory:
                return given
            return agreed_sha256(given, factory_sha256(factory), f"the source of {factory}")

        @field_validator("weights_sha256")
        @classmethod
        def _hash_weights(cls, given: str, info: ValidationInfo) -> str:
            weights = info.data.get("weights")
            if weights is None:
                return given
            return agreed_sha256(given, sha256_file(weights), f"the file {weights}")

        @field_serializer("weights")
        def _only_its_name(self, weights: Path | None) -> str | None:
            """Keep the folder out of fingerprints and records: the hash says which file it is."""
            return None if weights is None else weights.name

    config: Config

    def __init__(self, config: PluginConfig) -> None:
        super().__init__(config)
        self.adaptive = Adaptive(
            random=self.config.random,
            non_differentiable=self.config.non_differentiable,
            optimises_at_inference=self.config.optimises_at_inference,
        )
        declared = self.config.encoder
        if declared is not None:
            self.black_box = declared.gradient_problem
            self.adaptive = replace(
                self.adaptive,
                non_differentiable=self.config.non_differentiable or bool(self.black_box),
            )
            self.choices = (
                *declared.preprocessing.mirrored(),
                *(() if self.black_box else (RANDOM_WEIGHTS,)),
            )

    def check(self) -> None:
        """Ask for a factory or an encoder.

        Raises:
            PluginError: There is none.
            DataError: The weights of the encoder are not there.
        """
        if self.config.encoder is not None:
            self.config.encoder.check_file()
        elif not self.config.factory:
            raise PluginError("defense 'pretrained' has no factory", HOW)

    def row_label(self) -> str | None:
        """Return the spec, and that the encoder is a black box if it is one."""
        declared = self.config.encoder
        if declared is None:
            return None
        return f"{declared.spec}, black-box alone" if self.black_box else declared.spec

    def backbone_name(self, chosen: str) -> str:
        """Return the factory or the spec: the run's backbone is not built."""
        declared = self.config.encoder
        return self.config.factory if declared is None else declared.spec

    def with_choice(self, encoder: nn.Module, choice: str) -> nn.Module:
        """Return the encoder with another preprocessing, or with its weights shuffled."""
        assert isinstance(encoder, SpecEncoder)
        if choice == RANDOM_WEIGHTS:
            return shuffled(encoder)
        return encoder.behind(encoder.preprocessing.mirrored()[choice])

    def fit(self, task: FitTask) -> nn.Module:
        """Build the encoder, load its weights, and try it on images of the run's size.

        Raises:
            PluginError: There is no factory, it does not give an encoder, or the weights do not
                fit it.
            DataError: The weights cannot be read, or are not those that were hashed.
        """
        path, declared = self.config.weights, self.config.encoder
        if declared is None:
            encoder = self._build()
        else:
            _warn_of_small_images(task.image_size, declared)
            encoder, told = declared.load()
            task.preparation = Preparation(task.train, {"encoder": told})
        if path is not None:
            agreed_sha256(self.config.weights_sha256, sha256_file(path), f"the file {path}")
            load_foreign(encoder, read_state_dict(path), path.name)
        encoder.eval()
        self._try(encoder, task.image_size)
        return encoder

    def build_encoder(self, factory: Callable[[], nn.Module]) -> nn.Module:
        """Return the encoder as built; its weights come from the finished training cell."""
        declared = self.config.encoder
        return self._build() if declared is None else declared.build()

    def surrogate(self, encoder: nn.Module) -> nn.Module | None:
        """Return what the encoder's own method ``surrogate()`` returns, if it has one."""
        own = getattr(encoder, "surrogate", None)
        return own() if callable(own) else None

    def _build(self) -> nn.Module:
        self.check()
        return encoder_from(self.config.factory)

    def _try(self, encoder: nn.Module, image_size: tuple[int, int]) -> None:
        images = torch.rand(TRIED_IMAGES, 3, *image_size)
        owner = f"the factory {self.config.factory}" if self.config.factory else "the encoder"
        try:
            with evaluating(encoder), torch.no_grad():
                embeddings: object = encoder(images)
        except (Exception, SystemExit) as error:
            logger.debug("%s: the encoder raised", owner, exc_info=error)
            raise PluginError(
                f"{owner}: the encoder fails on images {tuple(images.shape)}: {told(error)}",
                "resizing and normalisation belong into the encoder; image_size sets H and W",
            ) from None
        verified_embeddings(embeddings, TRIED_IMAGES, owner)


def _warn_of_small_images(given: tuple[int, int], declared: DeclaredEncoder) -> None:
    wanted = declared.preprocessing.size
    if given[0] < wanted[0] or given[1] < wanted[1]:
        logger.warning(
            "images of %d×%d are enlarged to %d×%d for %s; image_size sets what is read",
            *given,
            *wanted,
            declared.spec,
        )
