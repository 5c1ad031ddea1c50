"""Selection of a checkpoint on held-out training identities, never on the test split."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from benchmark.core.device import DevicePolicy
from benchmark.core.errors import DataError
from benchmark.core.image_set import ImageSet
from benchmark.data.held_out import can_be_ranked, query_and_gallery
from benchmark.evaluation.evaluator import Evaluator
from benchmark.training.config import TrainingConfig
from benchmark.training.step import inner_attacks

SELECTION_ATTACK = "metric-pgd"
"""Attack that scores a checkpoint."""

SELECTION_STEPS = 8
"""Its steps; radius and step size are the inner attack's."""

BATCH = 256
"""Images at once."""


@dataclass(frozen=True)
class Score:
    """mAP of a checkpoint on the held-out identities, in percent."""

    clean_map: float
    attacked_map: float

    @property
    def total(self) -> float:
        """What is maximised: the sum, so that neither collapses; chosen."""
        return self.clean_map + self.attacked_map


class HeldOutSelection:
    """Scores encoders on the held-out identities.

    Args:
        held_out: Images of the held-out identities.
        config: The training recipe; the inner attack with more steps is the judge.
        policy: Where to run.
        seed: Attack seed.
        owner: Name of the defense, for error messages.
    """

    def __init__(
        self,
        held_out: ImageSet,
        config: TrainingConfig,
        policy: DevicePolicy,
        seed: int,
        owner: str,
    ) -> None:
        self._query, self._gallery = query_and_gallery(held_out)
        self._config, self._policy, self._seed, self._owner = config, policy, seed, owner

    @property
    def possible(self) -> bool:
        """Whether some held-out identity is seen by two cameras, and there are two identities."""
        return can_be_ranked(self._query, self._gallery)

    def score(self, encoder: nn.Module) -> Score:
        """Return the mAP, clean and under the inner attack."""
        build = inner_attacks(self._config, self._owner)
        attack = build(SELECTION_ATTACK, {"steps": SELECTION_STEPS})
        try:
            evaluator = Evaluator.of(
                encoder,
                self._query,
                self._gallery,
                policy=self._policy,
                owner=self._owner,
                batch=BATCH,
            )
            return Score(evaluator.clean_map, evaluator.attacked(attack, self._seed).map)
        except DataError:
            return Score(0.0, 0.0)
