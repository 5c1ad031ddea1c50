"""The torchattacks bridge: any L-infinity attack of torchattacks, mounted on retrieval.

torchattacks (Kim, arXiv:2010.01950) attacks classifiers. Retrieval becomes one through the logits
of `benchmark.metrics.retrieval_logits`: a class for each identity of the gallery, without the
gallery images that the ranking leaves out for the image at hand.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

import torch
from pydantic import AfterValidator, Field, create_model, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from attacks.torchattacks_classes import (
    Argument,
    budget_argument,
    built,
    check_arguments,
    class_named,
    intents_of,
    parameters_of,
    parse_arguments,
)
from benchmark.core.attack import Attack
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.errors import DataError, UsageError
from benchmark.core.parametrised import Parametrised
from benchmark.core.plugin import Card, PluginConfig
from benchmark.core.seeding import torch_seeded
from benchmark.core.threat import Intent
from benchmark.metrics.retrieval_logits import IdentityClasses, LogitKind, class_indices

LOGIT_SPREAD = 20.0
"""Distance of the largest from the smallest ``nearest`` logit of a clean image, if left open."""

LOGITS_OF_DLR = 4
"""Logits that the targeted DLR loss, the most demanding one, looks at."""

SEED_LIMIT = 2**31


class TorchattacksBridge(Attack, Parametrised):
    """A classifier attack of torchattacks on identity logits; `torchattacks:NAME` chooses it."""

    card: ClassVar[Card] = Card(
        title="torchattacks on identity logits",
        paper="Kim, arXiv:2010.01950 (the library); each class names its own paper",
        notes=(
            "The library runs unmodified, one image at a time, from a random state of that image's "
            "own: results do not depend on the batch, and random ones differ between devices. "
            "eps is the run's; alpha and all else are the library's defaults unless given; a seed "
            "is the image's unless given; n_classes is at most the number of identities. "
            "Chosen: a scale that spreads each image's clean nearest logits over 20; an image "
            "without a match takes its likeliest identity as its label; a model input of another "
            "size, such as the square one of DIFGSM and TIFGSM, is resized to the image's; NaN "
            "pixels count as clean. APGD, APGDT, FAB, Square and AutoAttack stop once Rank-1 is "
            "lost and return the clean image where they fail: they measure Rank-1, not mAP. The "
            "first squares of Square are wider than an upright image. Black-box classes are "
            "mounted on the white-box encoder, unmetered as queries."
        ),
    )
    intents: ClassVar[frozenset[Intent]] = frozenset({"dodge", "impersonate", "rank-down"})
    example: ClassVar[str] = "PGD or torchattacks:PGD,steps=20"
    packages: ClassVar[tuple[str, ...]] = ("torchattacks",)

    class Config(PluginConfig):
        """Options."""

        attack: str = "PGD"
        """Class of torchattacks."""
        options: dict[str, Argument] = {}
        """Keyword arguments of that class, as in `torchattacks:PGD,steps=20`."""
        logits: LogitKind = "soft-nearest"
        """Logits of an identity: by its nearest image, softly by all, or by its centroid."""
        scale: float | None = Field(default=None, gt=0)
        """Factor of the squared distances; None: so that no image's logits saturate."""

        @model_validator(mode="after")
        def _is_known(self) -> Self:
            check_arguments(self.attack, self.options)
            return self

    config: Config

    @classmethod
    def with_argument(cls, argument: str) -> type[TorchattacksBridge]:
        """Return the class behind ``torchattacks:NAME[,key=value…]``; ``logits`` is a key, too."""
        name, _, rest = argument.partition(",")
        chosen = parse_arguments(rest)
        given: dict[str, object] = {"logits": chosen.pop("logits")} if "logits" in chosen else {}
        check_arguments(name, chosen)
        start = cls.parse_config(given)
        assert isinstance(start, cls.Config)
        options = Annotated[dict[str, Argument], AfterValidator(lambda more: {**chosen, **more})]
        config = create_model(
            "Config",
            __base__=cls.Config,
            __module__=cls.__module__,
            attack=(Literal[name], name),  # type: ignore[arg-type]
            options=(options, dict(chosen)),
            logits=(LogitKind, start.logits),
        )
        members = {
            "__doc__": f"{name} of torchattacks on identity logits.",
            "__module__": cls.__module__,
            "Config": config,
            "card": cls.card.model_copy(update={"title": f"{name} of torchattacks"}),
            "intents": intents_of(built(name, nn.LayerNorm(1), chosen)),
        }
        return type(cls.__name__, (cls,), members)

    @classmethod
    def inner_options(cls, steps: int, alpha_255: float) -> dict[str, object]:
        """Return the budget as far as the class takes one."""
        known = parameters_of(class_named(cls.Config.model_fields["attack"].default))
        budget: dict[str, Argument] = {"steps": steps, "alpha": alpha_255 / 255}
        return {"options": {key: value for key, value in budget.items() if key in known}}

    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        """Attack one image after the other."""
        if self.eps_255 == 0:
            return batch.images
        classes = IdentityClasses(batch.gallery_guides)
        if classes.count < 2:
            raise _too_few(self.name, classes)
        rows = torch.arange(len(batch.images), device=batch.images.device)[:, None]
        try:
            return torch.cat([self._one(encoder, batch.rows(row), classes) for row in rows])
        except IndexError as error:
            if classes.count >= LOGITS_OF_DLR:
                raise
            raise _too_few(self.name, classes) from error

    def _one(self, encoder: nn.Module, image: AttackBatch, classes: IdentityClasses) -> Tensor:
        """Return the adversarial image of a batch of one."""
        hidden = classes.hidden(image.pids, image.camids, image.gallery_rows)
        scale = self.config.scale or _scale(classes, hidden, image.clean)
        model = _Classifier(encoder, classes, hidden, self.config.logits, scale, image.images)
        with torch.no_grad():
            likeliest = model.logits(image.clean).argmax(1)
        label = class_indices(image.gallery_guides, image.pids)
        has_match = (label >= 0) & classes.present(hidden).gather(1, label.clamp_min(0)[:, None])[0]
        label = torch.where(has_match, label, likeliest)
        with torch_seeded(image.seeds[0], image.images.device):
            attack = self._attack(model, image)
            # Some classes call view() on what they are given.
            crafted = attack(image.images.contiguous(), label).detach().to(image.images.dtype)
        return self.project(_without_nan(crafted, image.images), image.images)

    def _attack(self, model: _Classifier, image: AttackBatch) -> Any:
        """Return the torchattacks object for one image."""
        name = self.config.attack
        cls = class_named(name)
        parameters = parameters_of(cls)
        budget = budget_argument(cls)
        assert budget is not None
        arguments: dict[str, Any] = {budget: self.radius, **self.config.options}
        if "seed" in parameters:
            arguments.setdefault("seed", image.seeds[0] % SEED_LIMIT)
        if "n_classes" in parameters:
            asked = arguments.get("n_classes", parameters["n_classes"].default)
            arguments["n_classes"] = min(asked, model.classes.count)
        attack = built(name, model, arguments)
        if image.direction < 0:
            if "impersonate" not in intents_of(attack):
                raise UsageError(
                    f"{name} of torchattacks cannot be told to impersonate",
                    "leave it out; PGD and others with a targeted mode can",
                )
            attack.set_mode_targeted_by_label(quiet=True)
        return attack


def _too_few(name: str, classes: IdentityClasses) -> DataError:
    return DataError(
        f"{name} needs more identities in the gallery than {classes.count}",
        "attack a set with more identities",
    )


def _scale(classes: IdentityClasses, hidden: Tensor, clean: Tensor) -> float:
    """Return the scale at which the nearest logits of an image spread over `LOGIT_SPREAD`."""
    logits = classes.logits(clean, hidden, "nearest", 1.0)[classes.present(hidden)]
    return LOGIT_SPREAD / max(float(logits.max() - logits.min()), 1e-6)


def _without_nan(images: Tensor, clean: Tensor) -> Tensor:
    return torch.where(images.isnan(), clean, images)


class _Classifier(nn.Module):
    """Identity logits of versions of one image, as many as a call brings."""

    def __init__(
        self,
        encoder: nn.Module,
        classes: IdentityClasses,
        hidden: Tensor,
        kind: LogitKind,
        scale: float,
        clean: Tensor,
    ) -> None:
        super().__init__()
        self.device = nn.Parameter(clean.new_empty(0), requires_grad=False)
        self.encoder = encoder
        self.classes = classes
        self._hidden, self._kind, self._scale, self._clean = hidden, kind, scale, clean
        self.eval()

    def logits(self, embeddings: Tensor) -> Tensor:
        """Return (N, K) logits of (N, D) embeddings."""
        return self.classes.logits(embeddings, self._hidden, self._kind, self._scale)

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, K) logits of (N, 3, h, w) images."""
        size = self._clean.shape[2:]
        if images.shape[2:] != size:
            images = F.interpolate(images, size=size, mode="bilinear", align_corners=False)
        return self.logits(self.encoder(_without_nan(images, self._clean)))
