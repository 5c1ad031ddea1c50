"""The record of one defense on one data set with one seed, version 2.

Keys are forbidden unless they are declared here; `config`, `params` and `card` are free.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from results.records.retrieval import (
    AttackResult,
    CleanResult,
    Count,
    CrossDatasetResult,
    RaisedFlag,
    RecordPart,
    Seconds,
    SweepPoint,
    WorstCase,
)
from results.records.text_rules import FileName, FreeValues, Name, PluginValues

SCHEMA_VERSION = 2
Pixels = Annotated[int, Field(gt=0, le=100_000)]
Variance = Annotated[float, Field(ge=0, le=1e4)]


class DefenseEntry(RecordPart):
    """Which defense was trained, what it does, and its exact source."""

    name: Name
    """Registry name."""
    config: FreeValues
    """Every configuration value of the defense, defaults included."""
    card: FreeValues
    """Title, paper, claims and licence, as the defense states them."""
    behaviour: Name
    """What its sources do: ``name@N`` for those that were shown to give the same results, else a
    hash of what they mean; rows of one defense have the same."""
    source_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the bytes of its source files."""
    trained_against: list[Name] | None = None
    """Attacks that the training saw; null in records from before this was recorded."""


class ChosenQueries(RecordPart):
    """A choice of queries: a quick look, not to be compared with a result of all queries."""

    chosen: Annotated[int, Field(ge=1)]
    """How many were ranked and attacked."""
    of: Count
    """How many there are."""


class Reranked(RecordPart):
    """How rankings were re-ranked by k-reciprocal neighbours."""

    k1: Count
    """Nearest images among which reciprocal ones were looked for."""
    k2: Count
    """Images whose encodings were averaged."""
    original_weight: Annotated[float, Field(ge=0, le=1)]
    """Weight of the original distance beside the Jaccard distance."""

    def __str__(self) -> str:
        """Name it in a title."""
        return f"re-ranked (k1 {self.k1}, k2 {self.k2}, λ {self.original_weight:g})"


class ProtocolEntry(RecordPart):
    """Which evaluation protocol was followed."""

    name: Name
    """Name of the protocol."""
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
    """SHA-256 of all that the protocol fixes; results of two fingerprints are never compared."""
    queries: ChosenQueries | None = None
    """How many queries of the data set were chosen; absent where all count."""
    rerank: Reranked | None = None
    """How rankings were re-ranked; absent where they were not."""

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what goes without saying: such records read as they always did."""
        content: dict[str, Any] = handler(self)
        return {key: value for key, value in content.items() if value is not None}


class Bias(RecordPart):
    """How unevenly the identities fare."""

    per_id_variance_clean: Variance
    """Variance over identities of their mean AP in percent, without an attack."""
    per_id_variance_attacked: Variance
    """The same under the worst case."""


class Training(RecordPart):
    """Cost of the training."""

    seconds: Seconds
    """Time of the training."""
    epochs: Count
    """Passes over the training split."""
    images: Count
    """Images drawn for optimiser steps, over all epochs."""
    peak_memory_bytes: Count | None
    """Largest memory held: of the accelerator if there was one, else of the process."""
    encoder_parameters: Count | None = None
    """Parameters of the encoder that was evaluated."""
    recipe: PluginValues = Field(default_factory=dict)
    """Options of the training loop, the inner budget among them; empty if nothing was trained."""
    report: PluginValues = Field(default_factory=dict)
    """PluginValues of the defense's preparation, such as those of its data balancing."""
    history: list[dict[Name, float]] = Field(default_factory=list)
    """Learning curve: a row for each epoch, with the held-out mAP where it was measured."""
    passes: dict[Name, Count] = Field(default_factory=dict)
    """Images that went through the model in the training: ``inner_forward`` and ``inner_backward``
    to craft perturbations, ``outer`` for the loss. It is the budget at which defenses compare."""
    label_agreement: float | None = Field(default=None, ge=0, le=1)
    """Share of the training images that the encoder puts nearest their own identity; a low one
    tells of wrong labels."""

    images_per_second: float | None = Field(default=None, ge=0)
    """Images drawn over the time of the optimiser steps alone; absent if not measured."""
    share_of_bare: float | None = Field(default=None, ge=0)
    """Time that the passes of the steps take alone, over that of the steps; absent if not
    measured, as on a CPU."""

    @model_serializer(mode="wrap")
    def _without_unmeasured(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the pace where there is none: such records read as they always did."""
        content: dict[str, Any] = handler(self)
        unset = [key for key in ("images_per_second", "share_of_bare") if content[key] is None]
        return {key: value for key, value in content.items() if key not in unset}

    @property
    def stand_in(self) -> str | None:
        """Attack that stood in for the inner attacks of the defense; None: its own were used."""
        inner = self.recipe.get("inner")
        return inner.get("attack") if isinstance(inner, dict) else None


class Environment(RecordPart):
    """Where something was computed; ``unknown`` for results from before that was kept."""

    python: Name
    """Version of Python."""
    torch: Name
    """Version of torch."""
    device: Name
    """Device that computed."""
    git_commit: Name | None
    """Commit of the source tree, if it was one."""
    packages: dict[Name, Name]
    """Versions of the packages that shape results."""


class CellsEnvironment(Environment):
    """Where some of the cells of a record were computed."""

    cells: list[Name]
    """Their kinds, such as ``train`` or ``attack``."""


class Record(RecordPart):
    """Everything measured of one defense on one data set with one seed."""

    schema_version: Literal[2] = 2
    """Version of this format."""
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
    """Fingerprint of what was computed; the same id means the same result."""
    status: Literal["complete"] = "complete"
    """Only complete results are recorded."""
    defense: DefenseEntry
    """Which defense."""
    dataset: Name
    """Data set trained and tested on."""
    backbone: Name
    """Registry name of the backbone, or what built an encoder that existed already."""
    image_size: tuple[Pixels, Pixels]
    """Height and width of the images in pixels."""
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    """Seed of the run."""
    label: Name | None = None
    """Name that a person gave to its row of a board; absent if none. It is no part of `id`, nor of
    what makes records a row."""
    protocol: ProtocolEntry
    """Which protocol."""
    clean: CleanResult
    """Retrieval without an attack."""
    attacks: list[AttackResult]
    """Retrieval under each attack."""
    worst_case: WorstCase | None
    """Retrieval under the worst attack for each query; null if nothing was attacked."""
    worst_seen: WorstCase | None = None
    """The same over the attacks that the training saw; null unless there are both kinds."""
    worst_unseen: WorstCase | None = None
    """The same over the attacks that the training did not see; null unless there are both kinds."""
    worst_by_eps: list[SweepPoint] = Field(default_factory=list)
    """The worst case at each budget, in ascending order."""
    cross_dataset: list[CrossDatasetResult]
    """The same encoder on other data sets."""
    bias: Bias | None
    """How unevenly the identities fare."""
    training: Training
    """What the training cost."""
    flags: list[RaisedFlag]
    """Sanity checks that the record did not pass."""
    environment: Environment
    """Where the training was computed, and all the rest unless `environments` says otherwise."""
    environments: list[CellsEnvironment] = Field(default_factory=list)
    """All places where something was computed, that of the training first; absent if it is one."""
    per_query: FileName | None
    """Path of the per-query file, relative to the folder of this record."""

    @model_serializer(mode="wrap")
    def _without_what_is_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out places and label where there are none: such records read as they always did."""
        content: dict[str, Any] = handler(self)
        if not self.environments:
            content.pop("environments", None)
        if self.label is None:
            content.pop("label", None)
        return content

    @model_validator(mode="after")
    def _attacks_are_distinct(self) -> Self:
        for attacks in (self.attacks, *(other.attacks for other in self.cross_dataset)):
            seen = Counter((a.name, a.eps, a.norm, a.side, a.intent) for a in attacks)
            for (name, eps, *_), times in seen.items():
                if times > 1:
                    raise ValueError(f"attack {name} at eps {eps} is listed twice")
        return self


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a record, for validators in other languages."""
    return Record.model_json_schema()
