"""An encoder that lives in the caller's process, as a defense that nothing has to be trained for.

It is known by a hash of its weights, of what else its modules hold, and of the sources of their
classes. Where that cannot be told, the hash is another one each time, so that no result is taken
for that of another encoder.
"""

from __future__ import annotations

import copy
import hashlib
import inspect
import logging
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import ClassVar
from uuid import uuid4
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.core.behaviour import behaviour_of_source
from benchmark.core.defense import Adaptive, Defense, FitTask
from benchmark.core.device import DevicePolicy
from benchmark.core.encoder import embed, evaluating
from benchmark.core.errors import PluginError, UsageError
from benchmark.core.own_packages import ROOT
from benchmark.core.plugin import Card, PluginConfig
from benchmark.core.registry import register_defense
from benchmark.core.where_modules_lie import is_local

logger = logging.getLogger(__name__)

NAME = "live-encoder"
_PLAIN = (bool, int, float, str, type(None), torch.dtype, torch.device)
_INTERNAL = frozenset(vars(nn.Module()))
"""Attributes that torch keeps of each module: its parts, which are hashed by themselves."""
_LIVE: WeakValueDictionary[str, nn.Module] = WeakValueDictionary()
"""The encoders that their owners still hold, by their hashes."""


@register_defense(NAME)
class LiveEncoder(Defense):
    """An encoder that lives in the caller's process; nothing is trained."""

    card = Card(
        title="Encoder given to benchmark.evaluate",
        notes="Nothing is trained; how the encoder was made, and on what, is its owner's word.",
    )
    trains: ClassVar[bool] = False
    sources: ClassVar[tuple[str, ...]] = ()
    """The encoder is in the options, by its hash."""

    class Config(PluginConfig):
        """Options."""

        encoder: str
        """Class of the encoder."""
        sha256: str
        """Hash of its weights and sources."""
        random: bool = False
        """It draws random numbers in eval mode; attackers average over draws (EOT)."""
        non_differentiable: bool = False
        """Some part has no useful gradient; its method surrogate() is BPDA's."""

    config: Config

    def __init__(self, config: PluginConfig) -> None:
        super().__init__(config)
        self.adaptive = Adaptive(
            random=self.config.random, non_differentiable=self.config.non_differentiable
        )

    def backbone_name(self, chosen: str) -> str:
        """Return the class of the encoder: the run's backbone is not built."""
        return self.config.encoder

    def fit(self, task: FitTask) -> nn.Module:
        """Return a copy of the encoder."""
        return self._copy()

    def build_encoder(self, factory: Callable[[], nn.Module]) -> nn.Module:
        """Return a copy of the encoder; its weights come from the finished cell."""
        return self._copy()

    def _copy(self) -> nn.Module:
        live = _LIVE.get(self.config.sha256)
        if live is None:
            raise PluginError(
                f"the encoder {self.config.encoder} is no longer in this process",
                "build it where it came from",
            )
        return copy.deepcopy(live)

    def surrogate(self, encoder: nn.Module) -> nn.Module | None:
        """Return what the encoder's own method ``surrogate()`` returns, if it has one."""
        own = getattr(encoder, "surrogate", None)
        return own() if callable(own) else None


def live_options(encoder: nn.Module, **declared: bool) -> dict[str, object]:
    """Register an encoder as long as its owner holds it; return its `LiveEncoder` options."""
    sha256, unknown = hash_of(encoder)
    for reason in unknown:
        logger.warning("%s: %s; nothing of it is reused", type(encoder).__name__, reason)
    _LIVE[sha256] = encoder
    return {"encoder": type(encoder).__qualname__, "sha256": sha256, **declared}


def as_module(encoder: object) -> nn.Module:
    """Return a module, or what a callable without arguments returns.

    Raises:
        UsageError: It is neither, or returns something else.
    """
    if not isinstance(encoder, nn.Module) and callable(encoder):
        encoder = encoder()
    if not isinstance(encoder, nn.Module):
        raise UsageError(
            f"the encoder is {type(encoder).__name__}, not a torch.nn.Module",
            "give a module from images in [0, 1] to embeddings (B, D), or a callable that "
            "returns one",
        )
    return encoder


def check_encoder(
    encoder: nn.Module, image_size: tuple[int, int], policy: DevicePolicy, differentiable: bool
) -> None:
    """Try an encoder on a copy of itself, on one image and on two.

    Args:
        encoder: The encoder; stays as it is, where it is.
        image_size: (H, W) of the images.
        policy: Where it will run.
        differentiable: Whether its embeddings must carry a gradient to the images.

    Raises:
        PluginError: It computes in another precision than float32, does not return (B, D)
            embeddings of one width, or cuts the gradient.
    """
    owner = type(encoder).__name__
    kinds = {p.dtype for p in encoder.parameters() if p.is_floating_point()} - {torch.float32}
    if kinds:
        raise PluginError(
            f"{owner}: its weights are {kinds.pop()}, and what counts is measured in float32",
            "convert it with encoder.float()",
        )
    tried = policy.place(_copied(encoder))
    images = torch.full((2, 3, *image_size), 0.5, device=policy.device, requires_grad=True)
    with evaluating(tried), torch.enable_grad():
        two, one = embed(tried, images, owner), embed(tried, images[:1], owner)
    if one.shape[1] != two.shape[1]:
        raise PluginError(
            f"{owner}: embeddings of one image are {one.shape[1]} wide, of two {two.shape[1]}",
            "return the same width for each batch",
        )
    if differentiable and not two.requires_grad:
        raise PluginError(
            f"{owner}: its embeddings carry no gradient to the images",
            "take out detach(), no_grad() and numpy, or declare it with non_differentiable=True",
        )


def _copied(encoder: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(encoder)
    except Exception as error:
        raise PluginError(
            f"{type(encoder).__name__} cannot be copied: {error}",
            "give a callable that builds it, and keep tensors that need a gradient as parameters",
        ) from error


def hash_of(encoder: nn.Module) -> tuple[str, list[str]]:
    """Return the hash of an encoder, and what of it cannot be told.

    With something untold the hash is another one at each call.
    """
    digest = hashlib.sha256()
    unknown: list[str] = []
    for name, value in (*encoder.state_dict().items(), *encoder.named_buffers()):
        _add(digest, name, value, unknown)
    for place, part in encoder.named_modules():
        digest.update(f"{place} {type(part).__qualname__}\n".encode())
        if any(hooks for key, hooks in vars(part).items() if key.endswith("_hooks")):
            unknown.append(f"what the hooks of {place or 'the encoder'} do cannot be told")
        for key, value in sorted(vars(part).items()):
            if key not in _INTERNAL:
                _add(digest, key, value, unknown)
    for kind in sorted({type(part) for part in encoder.modules()}, key=lambda one: str(one)):
        digest.update(_source_of(kind, unknown).encode())
    unknown = list(dict.fromkeys(unknown))
    return digest.hexdigest() if not unknown else f"unknown-{uuid4().hex}", unknown


def _add(digest: hashlib._Hash, name: str, value: object, unknown: list[str]) -> None:
    """Add a tensor, a plain value or a container of them."""
    if isinstance(value, Tensor):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        plain = value.detach().cpu().contiguous().flatten()
        digest.update(plain.view(torch.uint8).numpy().tobytes())
    elif isinstance(value, np.ndarray) and value.dtype != object:
        _add(digest, name, torch.from_numpy(value), unknown)
    elif isinstance(value, list | tuple | dict):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in pairs:
            _add(digest, f"{name}.{key}", one, unknown)
    elif isinstance(value, _PLAIN):
        digest.update(f"{name} {value!r}\n".encode())
    elif inspect.isclass(value) or (inspect.isfunction(value) and "<" not in value.__qualname__):
        digest.update(f"{name} {_source_of(value, unknown)}\n".encode())
    else:
        unknown.append(f"its attribute {name} is {type(value).__name__}, which has no hash")


def _source_of(thing: type | Callable[..., object], unknown: list[str]) -> str:
    """Return the version of the package of a class or function, or the hash of its sources."""
    module = thing.__module__
    try:
        path = Path(inspect.getfile(thing))
        inspect.getsource(thing)  # a notebook has a file of its own process at most
    except (OSError, TypeError):
        unknown.append(f"{thing.__qualname__} is defined in a notebook, not in a file")
        return ""
    if not is_local(path, Path.cwd() / "notebook", ROOT):
        return ", ".join(_versions(module.partition(".")[0]))
    behaviour = behaviour_of_source(path, module, thing.__qualname__)
    unknown.extend(behaviour.unknown)
    return behaviour.id


def _versions(package: str) -> Iterator[str]:
    for distribution in packages_distributions().get(package, ()):
        yield f"{distribution} {version(distribution)}"
