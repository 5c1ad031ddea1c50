"""The list: what a GPU is used for, the most important first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DEFENSES = ("none", "metric-at", "ddid", "free-at", "trades")
BOARD, BALANCING = "gpu", "gpu-balancing"
BRIEF, FULL = "full-brief-single-step", "full-single-step"
PRESETS: Mapping[str, str] = {BRIEF: "r18", FULL: "r50"}
"""What entries of a preset are called."""
SOURCE = "defense.balancing_options.source"
EVALUATION: Mapping[str, str] = {
    "attack": "reid-aa,fna,sma,metric-ifgsm",
    "attack_seed": "0",
    "test_dataset": "none",
    "device": "cuda",
}


@dataclass(frozen=True)
class GpuWork:
    """One entry: a command, or a run by its options.

    Attributes:
        name: Names it on the command line and in the notes of what is done.
        what: What is learned from it.
        command: Arguments of Python; empty for a run.
        minutes: What the command takes, until it was done once: a guess.
        options: Options of a run, which `plan` predicts, and which can be stopped and goes on.
        keys: What the run is given with ``--set``.
        opens: Whether nothing after it is worth anything if it fails.
        board: Folder of ``results/published`` for its records, or for its table.
        as_many_as: Run whose number of accepted images is the most that this one adds.
    """

    name: str
    what: str
    command: tuple[str, ...] = ()
    minutes: float = 0.0
    options: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    opens: bool = False
    board: str = ""
    as_many_as: str = ""

    @property
    def is_run(self) -> bool:
        """Whether it is a run of the benchmark."""
        return bool(self.options)


def _row(preset: str, defense: str, seed: int = 0) -> GpuWork:
    """Return the entry that trains and attacks one defense at one seed."""
    options = {"preset": preset, "defense": defense, "seed": str(seed), **EVALUATION}
    what = f"{defense}, seed {seed}, by {preset}"
    return GpuWork(f"{PRESETS[preset]}/{defense}/{seed}", what, options=options, board=BOARD)


def _balancing(name: str, label: str, *keys: str, as_many_as: str = "") -> GpuWork:
    """Return a row of the question: does balancing earn its cost when its images are new?"""
    options = {"preset": "full-balancing", "defense": "ddid", "label": label, **EVALUATION}
    return GpuWork(
        f"balancing/{name}",
        label,
        options=options,
        keys=keys,
        board=BALANCING,
        as_many_as=as_many_as,
    )


WORKS: tuple[GpuWork, ...] = (
    GpuWork(
        "tests",
        "a GPU computes what the CPU computes",
        ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/gpu"),
        minutes=4.0,
        opens=True,
    ),
    GpuWork(
        "bench",
        "ratios of speed, those of a GPU among them",
        ("-m", "benchmark.bench", "--json"),
        minutes=4.0,
        board=BOARD,
    ),
    *(_row(BRIEF, defense) for defense in DEFENSES),
    *(_row(FULL, defense) for defense in DEFENSES),
    _balancing("diffusion", "ddid, images by the diffusion model"),
    _balancing("without", "ddid without balancing", "defense.balancing=false"),
    _balancing(
        "oversampling",
        "ddid, images repeated",
        f"{SOURCE}=oversampling",
        as_many_as="balancing/diffusion",
    ),
    *(_row(BRIEF, defense, seed) for seed in (1, 2) for defense in DEFENSES),
)
