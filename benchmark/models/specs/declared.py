"""An encoder by its spec with nothing left open: what is recorded, and what it is built from."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from pydantic import field_serializer, model_validator

from benchmark.core.errors import DataError, UsageError
from benchmark.core.fingerprint import agreed_sha256, sha256_file
from benchmark.models.foreign_weights import in_float32, read_state_dict
from benchmark.models.specs.config import FILE_KINDS, EncoderConfig, split_spec
from benchmark.models.specs.key_rules import fitted_keys, load_fitted
from benchmark.models.specs.kinds import kind_named
from benchmark.models.specs.preprocessing import Preprocessing, SpecEncoder

logger = logging.getLogger(__name__)

SEED = 0
"""Of the weights of a network that was given none."""


class DeclaredEncoder(EncoderConfig):
    """An encoder whose every choice is stated: by the user, else by the project of its spec.

    Files are told by their content and their name, not by their place.
    """

    weights_sha256: str = ""
    """SHA-256 of the file; filled in. Given: the file must have it."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        """Fill in what was left unset."""
        if not isinstance(given, Mapping) or not isinstance(given.get("spec"), str):
            return given
        values = {key: value for key, value in given.items() if value is not None}
        name, argument = split_spec(values["spec"].strip())
        if name in FILE_KINDS:
            argument = str(_network_file(name, argument, values))
        kind = kind_named(name)
        kind.check(argument)
        usual = kind.usual(argument)
        if values.get("channels", usual["channels"]) != usual["channels"]:
            usual |= {key: usual[key][::-1] for key in ("mean", "std")}
        if kind.has_neck:
            usual["feature"] = "after"
        elif "feature" in values:
            raise UsageError(
                f"the encoder {values['spec']} has no BNNeck to take a feature before or after",
                "leave encoder.feature out",
            )
        return usual | values

    @model_validator(mode="after")
    def _hash_weights(self) -> DeclaredEncoder:
        """Read the weights once before any work, and keep their hash."""
        path = self.weights
        if path is None or (self.weights_sha256 and not path.is_file()):
            return self
        object.__setattr__(self, "weights_sha256", self._agreed_hash(path))  # frozen
        if self.kind not in FILE_KINDS:
            read_state_dict(path)
        return self

    @field_serializer("weights")
    def _only_its_name(self, weights: Path | None) -> str | None:
        return None if weights is None else weights.name

    def check_file(self) -> None:
        """Refuse weights that are not there.

        Raises:
            DataError: They are not.
        """
        if self.weights is not None and not self.weights.is_file():
            raise DataError(f"the weights {self.weights} do not exist", "check the path")

    @property
    def preprocessing(self) -> Preprocessing:
        """What stands around the network."""
        return Preprocessing(**{one.name: getattr(self, one.name) for one in fields(Preprocessing)})

    @property
    def gradient_problem(self) -> str:
        """Why the network has no gradient, so that it is a black box; empty if it has one."""
        if self.kind in FILE_KINDS:
            self.check_file()
        return kind_named(self.kind).gradient_problem(self._argument, self.preprocessing.size)

    def build(self) -> SpecEncoder:
        """Return the encoder with the weights of its file, if that holds the network, else random.

        Raises:
            UsageError: There is no such network, or its package is not installed.
            DataError: The file cannot be read.
        """
        if self.kind in FILE_KINDS:
            self.check_file()
        chosen = self.preprocessing
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            network = kind_named(self.kind).build(self._argument, chosen.size, self.feature)
        return SpecEncoder(network, chosen).eval()

    def load(self) -> tuple[SpecEncoder, dict[str, object]]:
        """Return the encoder with its weights, and what the record tells of them.

        Raises:
            UsageError: There is no such network, or its package is not installed.
            DataError: The file is not there, or cannot be read.
            PluginError: The weights are not those of the network.
        """
        if self.weights is not None:
            self._agreed_hash(self.weights)
        encoder, kind = self.build(), kind_named(self.kind)
        notes = kind.notes(self._argument, self.preprocessing.size)
        if self.weights is None:
            logger.warning("%s: no weights were given: the network is a random one", self.spec)
            return encoder, {"weights": "random", **notes}
        if self.kind in FILE_KINDS:
            return encoder, notes
        held = in_float32(read_state_dict(self.weights), self.weights.name)
        for line in kind.warnings(held, self.preprocessing):
            logger.warning("%s: %s", self.weights.name, line)
        rules = kind.rules(self._argument, encoder.network)
        state, report = fitted_keys(held, encoder.network, rules)
        state, report.resized = kind.resized(encoder.network, state)
        load_fitted(encoder.network, state, report, self.weights.name, self.spec)
        return encoder, {"keys": asdict(report), **notes}

    def _agreed_hash(self, path: Path) -> str:
        self.check_file()
        return agreed_sha256(self.weights_sha256, sha256_file(path), f"the file {path}")

    @property
    def _argument(self) -> str:
        is_file = self.kind in FILE_KINDS
        return str(self.weights) if is_file and self.weights is not None else self.argument


def _network_file(kind: str, argument: str, values: dict[str, Any]) -> Path:
    """Move the file of a spec to the weights, where it is hashed; its name stays in the spec."""
    path = Path(argument).expanduser().absolute()
    given = values.get("weights")
    if given is not None and Path(given).name != argument:
        raise UsageError(f"{kind}:{argument} holds its weights itself", "leave --weights out")
    values |= {"spec": f"{kind}:{path.name}", "weights": path if given is None else given}
    return Path(values["weights"]).expanduser().absolute()
