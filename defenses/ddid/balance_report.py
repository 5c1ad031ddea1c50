"""What the balancing did: figures for the record, and a sheet of pictures to look at."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.core.files import publish
from benchmark.core.image_set import ImageSet
from benchmark.data.contact_sheet import contact_sheet
from defenses.ddid.balance_plan import SynthesisRequest
from defenses.ddid.quality_gate import GateDecision, QualityGate
from defenses.ddid.synthesis import Slot

_SHEET_ROWS = 12
_SHEET_COLUMNS = 5
_SHEET_TITLES = (
    "real images\nof the identity",
    "drawn images\nthat the gate accepted",
    "drawn images\nthat the gate refused",
)


@dataclass(frozen=True)
class Attempt:
    """One drawn image and the judgement on it."""

    slot: Slot
    image: NDArray[np.uint8]
    accepted: bool
    score: float
    nearest_pid: int
    distance: float


def attempts_of(
    slots: Sequence[Slot], images: NDArray[np.uint8], decision: GateDecision
) -> list[Attempt]:
    """Pair slots with the images drawn for them and the decision on these."""
    columns = decision.accepted, decision.score, decision.nearest_pid, decision.distance
    judged = zip(slots, images, *(column.tolist() for column in columns), strict=True)
    return [Attempt(*one) for one in judged]


@dataclass(frozen=True)
class BalanceReport:
    """Figures of one balancing.

    Attributes:
        source: Where the images came from (`BalancingConfig.source`).
        requested: Images asked for, by reason.
        accepted: Images accepted, by reason.
        drawn: Images drawn, all attempts together.
        refused: Attempts refused, by cause: "identity" (another identity is nearer), "score"
            (own centroid too far), "copy" (near-copy of a real image).
        threshold: Least cosine that the gate accepts.
        real_accepted: Share of real images that the gate would accept.
        mean_score: Mean gate cosine of "real", "accepted" and "refused" images.
        distance: Percentiles 5, 50 and 95 of the root mean square difference to the nearest
            real image of the identity: "real" (to the others) and "accepted".
        counts: Images "before" and "after", by "identity" and by "camera".
        requests: The plan.
        loss: Mean diffusion loss of each tenth of the training.
        seconds: Wall time of "training" (this run's part) and "sampling" with judging.
    """

    source: str
    requested: dict[str, int]
    accepted: dict[str, int]
    drawn: int
    refused: dict[str, int]
    threshold: float
    real_accepted: float
    mean_score: dict[str, float | None]
    distance: dict[str, list[float]]
    counts: dict[str, dict[str, dict[int, int]]]
    requests: list[dict[str, Any]]
    loss: list[float]
    seconds: dict[str, float]

    def summary(self) -> dict[str, object]:
        """Return the figures without the per-identity tables, for a record; JSON types only."""
        tables = ("counts", "requests")
        figures = {key: value for key, value in asdict(self).items() if key not in tables}
        share = {
            reason: self.accepted[reason] / asked if asked else None
            for reason, asked in self.requested.items()
        }
        return figures | {"accepted_share": share}

    def write(self, path: Path) -> None:
        """Write everything as JSON, atomically."""
        text = json.dumps(asdict(self) | self.summary(), indent=1, allow_nan=False)
        publish(path, text.encode())


def make_report(
    source: str,
    train: ImageSet,
    synthetic: ImageSet,
    requests: Sequence[SynthesisRequest],
    slots: Sequence[Slot],
    attempts: Sequence[Attempt],
    gate: QualityGate,
    losses: Sequence[float],
    seconds: dict[str, float],
) -> BalanceReport:
    """Count what was asked for, drawn, accepted and refused; `slots` are what was asked for."""
    passed = [a for a in attempts if a.accepted]
    failed = [a for a in attempts if not a.accepted]
    reasons = sorted({r.reason for r in requests})
    wanted = Counter(slot.reason for slot in slots)
    return BalanceReport(
        source=source,
        requested={r: wanted[r] for r in reasons},
        accepted={r: sum(a.slot.reason == r for a in passed) for r in reasons},
        drawn=len(attempts),
        refused=_causes(failed, gate.threshold),
        threshold=gate.threshold,
        real_accepted=gate.real_accepted,
        mean_score={
            "real": float(np.nanmean(gate.real_scores)),
            "accepted": _mean([a.score for a in passed]),
            "refused": _mean([a.score for a in failed]),
        },
        distance={
            "real": _percentiles(gate.real_distance[~np.isnan(gate.real_distance)]),
            "accepted": _percentiles(np.array([a.distance for a in passed])),
        },
        counts={
            "identity": _before_after(train.pids, synthetic.pids),
            "camera": _before_after(train.camids, synthetic.camids),
        },
        requests=[asdict(request) for request in requests],
        loss=[float(part.mean()) for part in np.array_split(losses, 10) if len(part)],
        seconds=seconds,
    )


def draw_sheet(path: Path, train: ImageSet, attempts: Sequence[Attempt]) -> None:
    """Draw some real, accepted and refused images of some identities, one identity a row."""
    pids = sorted({a.slot.pid for a in attempts})
    chosen = [pids[i] for i in _spread(len(pids), _SHEET_ROWS)]
    blank = np.full(train.images.shape[1:], 250, np.uint8)
    rows = []
    for pid in chosen:
        own = np.flatnonzero(train.pids == pid)
        drawn = [a for a in attempts if a.slot.pid == pid]
        groups = [
            list(train.pixels(own[_spread(len(own), _SHEET_COLUMNS)])),
            [a.image for a in drawn if a.accepted],
            [a.image for a in drawn if not a.accepted],
        ]
        cells = [(group + [blank] * _SHEET_COLUMNS)[:_SHEET_COLUMNS] for group in groups]
        rows.append([picture for cell in cells for picture in (*cell, blank)])
    titles = [text for title in _SHEET_TITLES for text in (title, *[""] * _SHEET_COLUMNS)]
    sheet = contact_sheet(rows, [f"identity {pid:04d}" for pid in chosen], headings=titles)
    publish(path, lambda stream: sheet.save(stream, format="PNG"))


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """Return up to `most` positions spread evenly over `count`."""
    return np.linspace(0, count - 1, min(most, count)).astype(np.int64)


def _causes(failed: Sequence[Attempt], threshold: float) -> dict[str, int]:
    causes = {"identity": 0, "score": 0, "copy": 0}
    for attempt in failed:
        if attempt.nearest_pid != attempt.slot.pid:
            causes["identity"] += 1
        else:
            causes["score" if attempt.score < threshold else "copy"] += 1
    return causes


def _before_after(
    real: NDArray[np.int64], synthetic: NDArray[np.int64]
) -> dict[str, dict[int, int]]:
    together = np.concatenate([real, synthetic])
    return {"before": _counts(real), "after": _counts(together)}


def _counts(labels: NDArray[np.int64]) -> dict[int, int]:
    values, counts = np.unique(labels, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _percentiles(values: NDArray[np.float64]) -> list[float]:
    return [float(v) for v in np.percentile(values, [5, 50, 95])] if len(values) else []
