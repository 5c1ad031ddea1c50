"""From the keys of a checkpoint to those of a network: by rule, and with a report of each."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from benchmark.core.errors import PluginError
from benchmark.core.listing import listed
from benchmark.models.foreign_weights import BATCH_COUNT, NAMED, PARALLEL_PREFIX

logger = logging.getLogger(__name__)

PREFIXES = (PARALLEL_PREFIX, "model.")
"""What wrappers of trainings put before every key."""


@dataclass(frozen=True)
class KeyRules:
    """How the keys of one project become those of a network.

    Attributes:
        renamed: Beginnings of keys, and what stands there instead.
        dropped: Regular expressions of whole keys that evaluation does not need. A key that the
            network has is never dropped.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()

    def drops(self, key: str) -> bool:
        """Whether a key is not needed."""
        return any(re.fullmatch(pattern, key) for pattern in self.dropped)


@dataclass
class KeyReport:
    """What became of the keys of a checkpoint.

    Attributes:
        matched: Keys that the network was given.
        renamed: Rules that changed keys, with how many.
        dropped: Keys that were left out.
        resized: What was brought to another shape.
        missing: Keys that the network keeps as it made them: counts of batches, which only
            training needs. Any other missing key is an error.
    """

    matched: int = 0
    renamed: dict[str, int] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    resized: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return it as a user reads it, a line each."""
        renamed = [f"{rule} ({count})" for rule, count in self.renamed.items()]
        lists = {"renamed": renamed, "dropped": self.dropped, "resized": self.resized}
        lists["missing, and not needed"] = self.missing
        told = [f"{what}: {listed(keys, NAMED)}" for what, keys in lists.items() if keys]
        return [f"{self.matched} keys matched", *told]


def fitted_keys(
    state: Mapping[str, Tensor], network: nn.Module, rules: KeyRules
) -> tuple[dict[str, Tensor], KeyReport]:
    """Return the weights under the keys of a network, with a report; shapes are not compared.

    Args:
        state: Weights as they were read.
        network: What they are for.
        rules: Those of the project that wrote them.
    """
    report, own = KeyReport(), network.state_dict()
    stripped = _without_prefixes(dict(state), own, rules, report)
    fitted: dict[str, Tensor] = {}
    for key, value in stripped.items():
        name = _renamed(key, rules, report)
        if name not in own and (rules.drops(key) or rules.drops(name)):
            report.dropped.append(key)
        else:
            fitted[name] = value
    report.matched = sum(name in own for name in fitted)
    return fitted, report


def load_fitted(
    network: nn.Module, state: Mapping[str, Tensor], report: KeyReport, name: str, project: str
) -> None:
    """Load weights whose keys were fitted.

    Args:
        network: Is given the weights.
        state: Under the keys of the network.
        report: Is told what is missing.
        name: What messages call the weights.
        project: What messages call the network.

    Raises:
        PluginError: A key is missing, is not known, or is of another shape; some are named.
    """
    own = network.state_dict()
    absent = [key for key in own if key not in state]
    report.missing = [key for key in absent if key.split(".")[-1] == BATCH_COUNT]
    problems = {
        "missing": [key for key in absent if key not in report.missing],
        "not known": [key for key in state if key not in own],
        "of another shape": [
            f"{key} {tuple(state[key].shape)} for {tuple(value.shape)}"
            for key, value in own.items()
            if key in state and state[key].shape != value.shape
        ],
    }
    told = "; ".join(f"{what}: {listed(keys, NAMED)}" for what, keys in problems.items() if keys)
    if told:
        raise PluginError(
            f"the weights {name} are not those of {project}: {report.matched} of {len(own)} keys "
            f"match ({told})",
            "give the spec of the network that was saved",
        )
    network.load_state_dict({**own, **state})
    logger.info("%s: %s", name, "; ".join(report.lines()))


def _without_prefixes(
    state: dict[str, Tensor], own: Mapping[str, Tensor], rules: KeyRules, report: KeyReport
) -> dict[str, Tensor]:
    """Take off what stands before every key and before none of the network's or the rules'."""
    known = (*own, *rules.renamed)
    for prefix in PREFIXES:
        everywhere = state and all(key.startswith(prefix) for key in state)
        if everywhere and not any(key.startswith(prefix) for key in known):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
            report.renamed[f"{prefix}* → *"] = len(state)
    return state


def _renamed(key: str, rules: KeyRules, report: KeyReport) -> str:
    for beginning, instead in rules.renamed.items():
        if key.startswith(beginning):
            rule = f"{beginning}* → {instead}*"
            report.renamed[rule] = report.renamed.get(rule, 0) + 1
            return instead + key.removeprefix(beginning)
    return key
