"""What the bias audit measures of each identity."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmark.experiments.bias_audit.identity_statistics import by_identity
from benchmark.experiments.measurement import CLEAN, WORST, QueryOutcomes
from benchmark.experiments.summary import OverSeeds

POPULATIONS = ("trained", "held-out", "test")
"""Identities that are fitted, whose images the encoder has seen; those held out; those of the test
split. Only the first have a number of training images."""


@dataclass
class IdentityValues:
    """Mean AP and rank-1 of each identity in percent, clean and attacked, at each seed.

    Attributes:
        ap: By ``clean`` or ``worst``, by seed: mean AP by identity.
        hit: The same of rank-1.
    """

    ap: dict[str, dict[int, dict[int, float]]] = field(default_factory=lambda: defaultdict(dict))
    hit: dict[str, dict[int, dict[int, float]]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, seed: int, outcomes: dict[str, QueryOutcomes], pids: NDArray[np.int64]) -> None:
        """Take the outcomes of the queries of one training."""
        for key in (CLEAN, WORST):
            self.ap[key][seed] = by_identity(outcomes[key].ap, pids)
            self.hit[key][seed] = by_identity(outcomes[key].hit, pids)

    def over_seeds(self, key: str, among: Collection[int] | None = None) -> dict[int, float]:
        """Return the AP of each identity, averaged over seeds, or over those of them in `among`."""
        seeds = [one for seed, one in self.ap[key].items() if among is None or seed in among]
        return {pid: float(np.mean([one[pid] for one in seeds])) for pid in seeds[0]}

    def over_identities(
        self, statistic: Callable[[NDArray[np.float64]], float], key: str, of: str
    ) -> OverSeeds:
        """Return a statistic over identities of their AP (``ap``) or rank-1 (``hit``)."""
        by_seed = getattr(self, of)[key]
        return OverSeeds({s: statistic(np.array(list(one.values()))) for s, one in by_seed.items()})


Audited = dict[str, dict[str, IdentityValues]]
"""Values by row and population."""
