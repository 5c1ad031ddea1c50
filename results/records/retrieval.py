"""What a record holds of retrieval: clean, under each attack, and in the worst case."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)

from results.records.text_rules import FileName, FreeValues, Name, Text

ADDITIVE = "linf"
"""Norm of the attacks that a worst case is taken over; those of other norms stand apart."""

Percent = Annotated[float, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Seconds = Annotated[float, Field(ge=0, le=1e12)]
Eps255 = Annotated[float, Field(ge=0, le=1e6)]
Interval = tuple[Percent, Percent]


class RecordPart(BaseModel):
    """What all parts of a record have in common: no key that is not declared, no change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class RaisedFlag(RecordPart):
    """A sanity check that the result did not pass."""

    id: Name
    """Name of the check, such as ``single-step-beats-iterative``."""
    message: Text
    """What was seen, with its numbers."""


class CleanResult(RecordPart):
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


class QueryPoint(RecordPart):
    """A point of the curve of a black-box attack."""

    queries: Count
    """Answers given for each image so far."""
    map: Percent
    """Mean average precision then."""


class TargetResult(RecordPart):
    """How the images of each query's target identity rank."""

    clean: CleanResult
    """For the clean queries."""
    attacked: CleanResult
    """For the adversarial queries; ``rank10`` is target-hit@10."""


class SeedResult(RecordPart):
    """What one attack seed gave."""

    attack_seed: Count
    """Seed of what the attacks drew."""
    map: Percent
    """Mean average precision over the queries."""
    rank1: Percent
    """Queries whose nearest image is a match."""


class _Repeated(RecordPart):
    """Something that may have been measured with several attack seeds; its numbers are means."""

    by_attack_seed: list[SeedResult] = Field(default_factory=list)
    """Each attack seed by itself; absent if there was one, or if nothing random was measured."""
    left_out: ClassVar[frozenset[str]] = frozenset({"by_attack_seed"})
    """Fields that are not written where they are empty: records without read as they always did."""

    @field_validator("by_attack_seed")
    @classmethod
    def _seeds_are_distinct(cls, repeats: list[SeedResult]) -> list[SeedResult]:
        seeds = [one.attack_seed for one in repeats]
        if seeds and (len(seeds) < 2 or sorted(set(seeds)) != seeds):
            raise ValueError("by_attack_seed needs several attack seeds in ascending order")
        return repeats

    @model_serializer(mode="wrap")
    def _without_what_is_empty(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = handler(self)
        empty = [key for key in self.left_out if content.get(key) in (None, [])]
        return {key: value for key, value in content.items() if key not in empty}


class PrecisionMaps(RecordPart):
    """The same attack crafted in both precisions."""

    float32_map: Percent
    """Mean average precision where it was crafted in float32."""
    tf32_map: Percent
    """Mean average precision where it was crafted in TF32."""


class Crafting(RecordPart):
    """Precision in which adversarial images were made; they were measured in float32."""

    precision: Literal["float32", "tf32"]
    """The one that was used."""
    canary: PrecisionMaps
    """Comparison of both on the stored undefended encoder."""
    encoder: PrecisionMaps
    """Comparison of both on a few queries of this encoder."""
    reason: Text | None = None
    """Why it is not the quicker one; null if it is."""


class AttackResult(_Repeated):
    """Retrieval under one attack at one budget, and what the attack cost."""

    name: Name
    """Registry name of the attack."""
    eps: Eps255 | None
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
    params: FreeValues
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
    flags: list[RaisedFlag]
    """Sanity checks that this attack's result did not pass."""
    quantised: bool = True
    """Whether the numbers were measured on images rounded to 8 bits."""
    map_float: Percent | None = None
    """Mean average precision on the images before rounding."""
    map_jpeg: Percent | None = None
    """Mean average precision after JPEG of quality 75."""
    success_rate: Percent | None = None
    """Queries whose nearest image is no longer a match, of those whose nearest clean image is."""
    max_distance_255: Annotated[float, Field(ge=0, le=256)] | None = None
    """Largest change of a pixel, in 1/255 units."""
    curve: list[QueryPoint] = Field(default_factory=list)
    """Mean average precision over answers spent; for black-box attacks."""
    target: TargetResult | None = None
    """Ranking of the target identities; for attacks that impersonate or rank down."""
    prepare_seconds: Seconds | None = None
    """Time in which the attack was trained, if it was; for all data sets together."""
    crafting: Crafting | None = None
    """How its precision was chosen; absent where there was no choice: float32."""
    halved_batch: Annotated[int, Field(ge=1)] | None = None
    """Images at once to which memory that ran out cut the batch; absent if it did not."""
    left_out: ClassVar[frozenset[str]] = _Repeated.left_out | {"crafting", "halved_batch"}

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


class SweepPoint(RecordPart):
    """The worst case at one budget."""

    eps: Eps255
    """Budget in 1/255 units."""
    map: Percent
    """Mean over the queries of the lowest average precision under the attacks of this budget."""
    rank1: Percent
    """Queries whose nearest image stays a match under every attack of this budget."""


class CrossDatasetResult(RecordPart):
    """The same encoder on a data set it was not trained on."""

    dataset: Name
    """Name of that data set."""
    clean: CleanResult
    """Retrieval without an attack."""
    attacks: list[AttackResult]
    """Retrieval under each attack."""
    worst_case: WorstCase | None = None
    """Retrieval under the worst attack for each query."""
    per_query: FileName | None = None
    """Path of the per-query file of this data set, relative to the folder of the record."""


class AttackId(NamedTuple):
    """What makes an attack of a board the same attack in two records."""

    name: str
    eps: float | None
    norm: str
    side: str
    intent: str

    @classmethod
    def of(cls, attack: AttackResult) -> AttackId:
        """Return the identity of a measured attack."""
        return cls(attack.name, attack.eps, attack.norm, attack.side, attack.intent)
