"""The record of one defense on one data set with one seed, version 2.

Keys are forbidden unless they are declared here; `config`, `params` and `card` are free.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

SCHEMA_VERSION = 2

ADDITIVE = "linf"
"""Norm of the attacks that a worst case is taken over; those of other norms stand apart."""

Percent = Annotated[float, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]
Name = Annotated[str, Field(min_length=1)]
Interval = tuple[Percent, Percent]


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Flag(_Part):
    """A sanity check that the result did not pass."""

    id: Name
    """Name of the check, such as ``single-step-beats-iterative``."""
    message: str
    """What was seen, with its numbers."""


class DefenseEntry(_Part):
    """Which defense was trained, what it does, and its exact source."""

    name: Name
    """Registry name."""
    config: dict[str, JsonValue]
    """Every configuration value of the defense, defaults included."""
    card: dict[str, JsonValue]
    """Title, paper, claims and licence, as the defense states them."""
    behaviour: Name
    """What its sources do: ``name@N`` for those that were shown to give the same results, else a
    hash of what they mean; rows of one defense have the same."""
    source_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the bytes of its source files."""
    trained_against: list[Name] | None = None
    """Attacks that the training saw; null in records from before this was recorded."""


class ProtocolEntry(_Part):
    """Which evaluation protocol was followed."""

    name: Name
    """Name of the protocol."""
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
    """SHA-256 of all that the protocol fixes; results of two fingerprints are never compared."""


class CleanResult(_Part):
    """Retrieval on clean images."""

    map: Percent
    """Mean average precision over the queries."""
    rank1: Percent
    """Queries whose nearest image is a match."""
    rank5: Percent
    """Queries with a match among the nearest 5."""
    rank10: Percent
    """Queries with a match among the nearest 10."""
    minp: Percent
    """Mean inverse negative penalty: how far down the last match sits."""
    queries: Count | None = None
    """Queries averaged over."""
    skipped: Count | None = None
    """Queries left out because the gallery holds no match."""


class QueryPoint(_Part):
    """A point of the curve of a black-box attack."""

    queries: Count
    """Answers given for each image so far."""
    map: Percent
    """Mean average precision then."""


class TargetResult(_Part):
    """How the images of each query's target identity rank."""

    clean: CleanResult
    """For the clean queries."""
    attacked: CleanResult
    """For the adversarial queries; ``rank10`` is target-hit@10."""


class SeedResult(_Part):
    """What one attack seed gave."""

    attack_seed: Count
    """Seed of what the attacks drew."""
    map: Percent
    """Mean average precision over the queries."""
    rank1: Percent
    """Queries whose nearest image is a match."""


class _Repeated(_Part):
    """Something that may have been measured with several attack seeds; its numbers are means."""

    by_attack_seed: list[SeedResult] = Field(default_factory=list)
    """Each attack seed by itself; absent if there was one, or if nothing random was measured."""

    @field_validator("by_attack_seed")
    @classmethod
    def _seeds_are_distinct(cls, repeats: list[SeedResult]) -> list[SeedResult]:
        seeds = [one.attack_seed for one in repeats]
        if seeds and (len(seeds) < 2 or sorted(set(seeds)) != seeds):
            raise ValueError("by_attack_seed needs several attack seeds in ascending order")
        return repeats

    @model_serializer(mode="wrap")
    def _without_no_repeats(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave the list out where it is empty: such records read as they did before it was."""
        content: dict[str, Any] = handler(self)
        if not self.by_attack_seed:
            content.pop("by_attack_seed", None)
        return content


class AttackResult(_Repeated):
    """Retrieval under one attack at one budget, and what the attack cost."""

    name: Name
    """Registry name of the attack."""
    eps: Annotated[float, Field(ge=0)] | None
    """Budget in 1/255 units; null for an attack without one."""
    norm: Name
    """Norm of the budget, such as ``linf``."""
    side: Literal["query", "gallery", "both"]
    """Which images are perturbed."""
    intent: Literal["dodge", "impersonate", "rank-down"]
    """What the attacker wants."""
    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the gallery images of query identities that are perturbed."""
    target_rule: Literal["random", "nearest", "farthest"] | None = None
    """How the target identities were chosen; null without a target."""
    knowledge: Literal["none", "white", "transfer", "score", "decision"]
    """What the attacker sees of the encoder."""
    params: dict[str, JsonValue]
    """Every other setting of the attack."""
    dataset: Name
    """Data set whose images were attacked."""
    seen_in_training: bool
    """Whether the defense trained on this attack."""
    map: Percent
    """Mean average precision over the queries."""
    rank1: Percent
    """Queries whose nearest image is a match."""
    rank5: Percent
    """Queries with a match among the nearest 5."""
    rank10: Percent
    """Queries with a match among the nearest 10."""
    minp: Percent | None = None
    """Mean inverse negative penalty."""
    ci95_map: Interval
    """95% interval of `map`, by bootstrap over query identities."""
    seconds: Seconds
    """Time spent in the attack."""
    forwards: Count
    """Images sent forward through the encoder by the attack; through a random one, each counts
    once, in however many draws (EOT) it was embedded."""
    backwards: Count
    """Images sent backward through the encoder by the attack, counted likewise."""
    queries: Count
    """Answers that a black-box attack asked for; 0 for the others."""
    flags: list[Flag]
    """Sanity checks that this attack's result did not pass."""
    quantised: bool = True
    """Whether the numbers were measured on images rounded to 8 bits."""
    map_float: Percent | None = None
    """Mean average precision on the images before rounding."""
    map_jpeg: Percent | None = None
    """Mean average precision after JPEG of quality 75."""
    success_rate: Percent | None = None
    """Queries whose nearest image is no longer a match, of those whose nearest clean image is."""
    max_distance_255: Annotated[float, Field(ge=0)] | None = None
    """Largest change of a pixel, in 1/255 units."""
    curve: list[QueryPoint] = Field(default_factory=list)
    """Mean average precision over answers spent; for black-box attacks."""
    target: TargetResult | None = None
    """Ranking of the target identities; for attacks that impersonate or rank down."""
    prepare_seconds: Seconds | None = None
    """Time in which the attack was trained, if it was; for all data sets together."""

    @property
    def key(self) -> str:
        """Name of this result within its record: ``sma@8``."""
        return self.name if self.eps is None else f"{self.name}@{self.eps:g}"

    @property
    def is_control(self) -> bool:
        """Whether it knows nothing of the encoder: the control, no attack."""
        return self.knowledge == "none"


class WorstCase(_Repeated):
    """Retrieval when the attacker picks the best of several attacks for each query."""

    map: Percent
    """Mean over the queries of the lowest average precision."""
    rank1: Percent
    """Queries whose nearest image stays a match under every attack."""
    ci95_map: Interval
    """95% interval of `map`, by bootstrap over query identities."""
    attacks: list[Name]
    """Keys of the attacks the attacker may pick from."""
    attack_share: dict[str, Annotated[float, Field(ge=0, le=1)]] | None = None
    """Share of the queries at which no other attack is worse; ties count for each."""


class SweepPoint(_Part):
    """The worst case at one budget."""

    eps: Annotated[float, Field(ge=0)]
    """Budget in 1/255 units."""
    map: Percent
    """Mean over the queries of the lowest average precision under the attacks of this budget."""
    rank1: Percent
    """Queries whose nearest image stays a match under every attack of this budget."""


class CrossDatasetResult(_Part):
    """The same encoder on a data set it was not trained on."""

    dataset: Name
    """Name of that data set."""
    clean: CleanResult
    """Retrieval without an attack."""
    attacks: list[AttackResult]
    """Retrieval under each attack."""
    worst_case: WorstCase | None = None
    """Retrieval under the worst attack for each query."""
    per_query: str | None = None
    """Path of the per-query file of this data set, relative to the folder of the record."""


class Bias(_Part):
    """How unevenly the identities fare."""

    per_id_variance_clean: Annotated[float, Field(ge=0)]
    """Variance over identities of their mean AP in percent, without an attack."""
    per_id_variance_attacked: Annotated[float, Field(ge=0)]
    """The same under the worst case."""


class Training(_Part):
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
    recipe: dict[str, Any] = Field(default_factory=dict)
    """Options of the training loop, the inner budget among them; empty if nothing was trained."""
    report: dict[str, Any] = Field(default_factory=dict)
    """Figures of the defense's preparation, such as those of its data balancing."""
    history: list[dict[str, float]] = Field(default_factory=list)
    """Learning curve: a row for each epoch, with the held-out mAP where it was measured."""
    passes: dict[str, Count] = Field(default_factory=dict)
    """Images that went through the model in the training: ``inner_forward`` and ``inner_backward``
    to craft perturbations, ``outer`` for the loss. It is the budget at which defenses compare."""
    label_agreement: float | None = Field(default=None, ge=0, le=1)
    """Share of the training images that the encoder puts nearest their own identity; a low one
    tells of wrong labels."""

    @property
    def stand_in(self) -> str | None:
        """Attack that stood in for the inner attacks of the defense; None: its own were used."""
        inner = self.recipe.get("inner")
        return inner.get("attack") if isinstance(inner, dict) else None


class Environment(_Part):
    """Where something was computed; ``unknown`` for results from before that was kept."""

    python: Name
    """Version of Python."""
    torch: Name
    """Version of torch."""
    device: Name
    """Device that computed."""
    git_commit: str | None
    """Commit of the source tree, if it was one."""
    packages: dict[str, str]
    """Versions of the packages that shape results."""


class CellsEnvironment(Environment):
    """Where some of the cells of a record were computed."""

    cells: list[Name]
    """Their kinds, such as ``train`` or ``attack``."""


class Record(_Part):
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
    image_size: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]
    """Height and width of the images in pixels."""
    seed: int
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
    flags: list[Flag]
    """Sanity checks that the record did not pass."""
    environment: Environment
    """Where the training was computed, and all the rest unless `environments` says otherwise."""
    environments: list[CellsEnvironment] = Field(default_factory=list)
    """All places where something was computed, that of the training first; absent if it is one."""
    per_query: str | None
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
