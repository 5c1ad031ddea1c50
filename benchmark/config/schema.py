"""The configuration of one run, validated; every key is also an option of the command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_cache_path
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)

from benchmark.config.data_roots import DataRoots, data_roots
from benchmark.config.paths import user_path
from benchmark.config.presets import read_preset
from benchmark.core.budget import Eps255, split_budgets
from benchmark.core.dataset_names import joined, sources_of
from benchmark.core.errors import UsageError
from benchmark.core.parametrised import SEPARATOR
from benchmark.core.reranking import Reranking
from benchmark.core.threat import EOT_SAMPLES, Scenario
from benchmark.core.training_seeds import LARGEST_SEED, check_training_seed
from benchmark.models.backbone import BackboneConfig
from benchmark.models.specs.config import EncoderConfig
from benchmark.models.zoo import with_all_entries
from benchmark.training.config import TrainingConfig

CACHE_VARIABLE = "REID_ROBUSTBENCH_CACHE"

_LONGEST_LABEL = 200
CROSS_DATASETS: dict[str, tuple[str, ...]] = {
    "synthped-plaza": ("synthped-campus",),
    "synthped-campus": ("synthped-plaza",),
}
"""Data sets that a run on the key is also tested on, unless it says otherwise."""

NO_CROSS_DATASET = "none"
OF_ENCODERS = "pretrained"
"""Defense that an encoder given by its spec is."""


def default_cache_dir() -> Path:
    """Return the folder for rendered data: $REID_ROBUSTBENCH_CACHE, else the user's cache.

    Raises:
        UsageError: The variable holds no path.
    """
    named = os.environ.get(CACHE_VARIABLE)
    try:
        return user_path(named) if named else user_cache_path("reid-robustbench")
    except ValueError as error:
        raise UsageError(f"{CACHE_VARIABLE} = {named!r}: {error}", "correct or unset it") from error


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _as_list(value: Any) -> list[Any]:
    """Accept one value, a comma-separated text or a list of either."""
    return _listed(value, _split)


def _listed(value: Any, split: Callable[[str], list[str]]) -> list[Any]:
    parts = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    groups = [split(part) if isinstance(part, str) else [part] for part in parts]
    return [part for group in groups for part in group]


def _as_budgets(value: Any) -> list[Any]:
    return _listed(value, split_budgets)


def _as_names(value: Any) -> list[Any]:
    """Accept what `_as_list` does; ``KEY=VALUE`` after ``NAME:ARGUMENT`` belongs to that name."""
    names: list[Any] = []
    for part in _as_list(value):
        if names and "=" in str(part) and SEPARATOR in str(names[-1]):
            names[-1] += f",{part}"
        else:
            names.append(part)
    return names


def _unique(values: list[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _ascending(values: list[int]) -> list[int]:
    return sorted(set(values))


def _as_path(value: Any) -> Any:
    return user_path(value) if isinstance(value, str | Path) else value


def _recipe_of_preset(value: Any) -> Any:
    return read_preset(value).get("training", {}) if isinstance(value, str) else value


def _as_encoder(value: Any) -> Any:
    return {"spec": value} if isinstance(value, str) else value


def _as_label(value: Any) -> Any:
    text = str(value).strip() if isinstance(value, str | int | float) else value
    if isinstance(text, str) and not (text and text.isprintable() and len(text) <= _LONGEST_LABEL):
        raise ValueError(f"a label is one line of text, of {_LONGEST_LABEL} characters at most")
    return text


def _as_reranking(value: Any) -> Any:
    return {True: {}, False: None}[value] if isinstance(value, bool) else value


Label = Annotated[str, BeforeValidator(_as_label)]
Names = Annotated[list[str], BeforeValidator(_as_names), AfterValidator(_unique)]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
TrainingSeed = Annotated[Seed, AfterValidator(check_training_seed)]
Encoder = Annotated[EncoderConfig | None, BeforeValidator(_as_encoder)]
UserPath = Annotated[Path, BeforeValidator(_as_path)]
Roots = Annotated[DataRoots, BeforeValidator(data_roots), PlainSerializer(DataRoots.written)]
DatasetName = Annotated[str, BeforeValidator(joined)]
Recipe = Annotated[TrainingConfig, BeforeValidator(_recipe_of_preset)]
ImageSize = tuple[Annotated[int, Field(ge=8, le=1024)], Annotated[int, Field(ge=8, le=1024)]]
Options = dict[str, dict[str, Any]]


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class EvaluationConfig(_Section):
    """How encoders are run when they are evaluated and attacked."""

    batch: int = Field(default=64, ge=1, lt=2**31)
    """Images at once; changes results of random encoders only, which draw for a batch. For others
    a GPU takes more where its memory suffices, and memory that runs out halves it."""
    eot_samples: int = Field(default=EOT_SAMPLES, ge=1)
    """Random draws that white-box attacks on a random encoder average over (EOT); fewer than the
    default raise a flag."""
    crafting: Literal["auto", "float32", "tf32"] = "auto"
    """Precision in which attacks craft; what counts is measured in float32 either way. auto: tf32
    on a GPU that has it, else float32. An attack that is not as strong in tf32 crafts in float32,
    and the record says so."""
    rerank: Annotated[Reranking | None, BeforeValidator(_as_reranking)] = None
    """k-reciprocal re-ranking of clean and attacked rankings; true: with the published values."""
    checks: bool = True
    """Probe encoders and try attacks on the canary, and raise sanity flags."""


class RunConfig(_Section):
    """Everything that a run is told. Relative paths start at the folder that is current then."""

    defense: Annotated[Names, AfterValidator(with_all_entries), Field(min_length=1)]
    """Defenses to train and attack; ``zoo`` stands for all published weights."""
    encoder: Encoder = None
    """An encoder that exists already, by its spec; the defense is then ``pretrained``."""
    preset: str = "embedded"
    """The preset or the YAML file that the run started from."""
    dataset: DatasetName = "synthped-plaza"
    """Data set to train and test on; of a list, the sets are joined, identities and cameras kept
    apart."""
    data_root: Roots = DataRoots()
    """Where data sets lie: a folder that is one or holds some, NAME=DIR, a mapping from names to
    folders, or a list of these; then the folders of $REID_ROBUSTBENCH_DATA."""
    on_corrupt: Literal["fail", "skip"] = "fail"
    """What an image file that cannot be decoded does: end the run, or be left out with a
    warning; the hash of the data is then that of the other files."""
    test_dataset: Names | None = None
    """Further data sets to test on; unset: the data set's usual counterpart, or each of those that
    were joined; none: no other."""
    attack: Names = ["default"]
    """Attacks, by name or group; ``default`` is the published grid and the standard ensemble."""
    eps: Annotated[
        list[Eps255], BeforeValidator(_as_budgets), AfterValidator(_unique), Field(min_length=1)
    ] = [8.0]
    """Budgets in 1/255 units, such as 8 or 8/255."""
    seed: Annotated[
        list[TrainingSeed], BeforeValidator(_as_list), AfterValidator(_unique), Field(min_length=1)
    ] = [0]
    """Seeds of the training; one record each."""
    label: Label | None = None
    """Name of the row on boards; with several defenses each adds it to its own name. It changes
    nothing that is computed."""
    scenario: Scenario = Scenario()
    """Which images are perturbed, and to what end."""
    protocol: Literal["standard", "unseen"] = "standard"
    """Standard: every defense as it is. Unseen: adversarial trainings once for each train attack,
    for the matrix of train attack by test attack."""
    train_attacks: Annotated[Names, Field(min_length=1)] = [
        "metric-fgsm",
        "metric-ifgsm",
        "metric-pgd",
        "sma",
    ]
    """Attacks that the protocol unseen trains against."""
    attack_seed: Annotated[
        list[Seed], BeforeValidator(_as_list), AfterValidator(_ascending), Field(min_length=1)
    ] = [0]
    """Seeds of what attacks draw; whatever is random is measured with each of them."""
    queries: Annotated[int, Field(ge=1)] | None = None
    """A quick look: queries of each data set that are ranked and attacked, always the same ones, of
    as many identities as there are. Where there are no more, and unset: all of them."""
    output: UserPath = Field(default=Path("runs"), validate_default=True)
    """Folder for cells, records and the leaderboard."""
    plugin: Annotated[list[UserPath], BeforeValidator(_as_list)] = []
    """Python files that register plugins."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute."""
    executor: Literal["local", "ray"] = "local"
    """Where workers are: on this machine, or on a Ray cluster."""
    workers: Annotated[int, Field(ge=1)] | None = None
    """Processes that compute cells side by side; unset: one a GPU, on CPUs one for each two cores
    beyond the first two, at least one. No part of a fingerprint."""
    strict: bool = False
    """Exit with code 5 if a record carries a sanity flag."""
    tensorboard: bool = False
    """Write losses, held-out curves and traces of attacks as event files to OUTPUT/tensorboard."""
    fresh: bool = False
    """Compute every cell again, even if it is finished."""
    backbone: BackboneConfig = BackboneConfig()
    """Network of the encoder."""
    image_size: ImageSize = (64, 32)
    """Height and width of the images."""
    training: TrainingConfig = TrainingConfig()
    """Loop, optimiser and inner attack of the training."""
    surrogate_training: Recipe | None = None
    """Recipe of the surrogates that transfer attacks attack, or the preset that has it; unset: the
    run's. Rows of different recipes share a board of transfer attacks if this one is the same."""
    size: Literal["smoke", "embedded", "full"] = "embedded"
    """Size of rendered data sets."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """How encoders are evaluated."""
    defense_config: Options = {}
    """Options of defenses, by name."""
    attack_config: Options = {}
    """Options of attacks, by name."""
    dataset_config: Options = {}
    """Options of data sets, by name; what they change is in the hash of the data."""
    cache_dir: UserPath = Field(default_factory=default_cache_dir)
    """Folder for rendered data."""

    @model_validator(mode="before")
    @classmethod
    def _an_encoder_is_a_defense(cls, raw: Any) -> Any:
        if isinstance(raw, Mapping) and raw.get("encoder") and not raw.get("defense"):
            return {**raw, "defense": [OF_ENCODERS]}
        return raw

    def options_of_defense(self, defense: str) -> dict[str, Any]:
        """Return the options of a defense; of ``pretrained``, the encoder among them."""
        return {**self.defense_config.get(defense, {}), **self.encoder_option(defense)}

    def encoder_option(self, defense: str) -> dict[str, Any]:
        """Return the encoder as an option of ``pretrained``; nothing for another defense."""
        if defense != OF_ENCODERS or self.encoder is None:
            return {}
        return {"encoder": self.encoder.model_dump(exclude_none=True)}

    def label_of(self, defense: str) -> str | None:
        """Return the label of the records of a defense, if there is one."""
        several = len(self.defense) > 1
        return f"{defense}, {self.label}" if self.label and several else self.label

    @property
    def test_datasets(self) -> list[str]:
        """Data sets to test on beside the training one's own test split."""
        if self.test_dataset is None:
            sources = sources_of(self.dataset)
            return list(sources if len(sources) > 1 else CROSS_DATASETS.get(self.dataset, ()))
        return [n for n in self.test_dataset if n not in (self.dataset, NO_CROSS_DATASET)]
