"""What a robustness report says, as plain values; percentages are 0-100."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from results.report.publication import Publication

Facts = tuple[tuple[str, str], ...]
"""Names and values."""
Interval = tuple[float, float]


@dataclass(frozen=True)
class FlagHelp:
    """What a sanity flag means and what to do about it."""

    means: str
    do: str


@dataclass(frozen=True)
class Glossary:
    """What names stand for: attacks in a line each, flags with their meaning.

    Attributes:
        references: Papers by plugin, such as ``defense/ddid``.
    """

    attacks: Mapping[str, str]
    flags: Mapping[str, FlagHelp]
    references: Mapping[str, tuple[Publication, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Worst:
    """Each query meets its strongest attack.

    Attributes:
        map: Mean average precision.
        rank1: Queries that still find the right person first.
        ci95_map: Interval of `map` over query identities.
        kept: Share of the clean mAP that is left; None where there was none.
        eps: Budget in 1/255 units; None where attacks have none or several.
        attacks: Keys of the attacks to choose from.
    """

    map: float
    rank1: float
    ci95_map: Interval
    kept: float | None
    eps: float | None
    attacks: tuple[str, ...]


@dataclass(frozen=True)
class AttackLine:
    """One attack at one budget, and what it cost for all images.

    Attributes:
        counted: Whether the worst case covers it.
        headline: Whether it has the budget of the worst case, or the only one that it was run at.
        share_of_worst: Queries at which no other attack is worse.
        target_map: mAP of the target identities under attack; None without a target.
        target_hit10: Queries with their target among the nearest 10.
    """

    name: str
    eps: float | None
    knowledge: str
    side: str
    counted: bool
    headline: bool
    seen_in_training: bool
    map: float
    rank1: float
    ci95_map: Interval
    success_rate: float | None
    share_of_worst: float | None
    target_map: float | None
    target_hit10: float | None
    seconds: float
    forwards: int
    backwards: int
    answers: int
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Curve:
    """mAP over budgets in 1/255 units, from the clean 0 upward."""

    attack: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Sighting:
    """What made a flag rise.

    Attributes:
        attack: None where it is about the encoder.
        seed: Training that it was seen in, where there are several.
    """

    attack: str | None
    message: str
    seed: int | None = None


@dataclass(frozen=True)
class RaisedFlag:
    """A sanity flag in plain words, and all that made it rise."""

    id: str
    seen: tuple[Sighting, ...]
    means: str
    do: str


@dataclass(frozen=True)
class Quartiles:
    """Lowest, quarters and highest of the mean AP of the identities."""

    lowest: float
    lower: float
    median: float
    upper: float
    highest: float


@dataclass(frozen=True)
class IdentitySpread:
    """How unevenly the identities fare, clean and in the worst case.

    Attributes:
        identities: How many have a query that counts.
        bins: Identities in each tenth of the scale from 0 to 100, clean and in the worst case.
        variance: Over identities, of their mean AP in percent, clean and in the worst case.
    """

    identities: int
    clean: Quartiles
    worst: Quartiles
    bins: tuple[tuple[int, ...], tuple[int, ...]]
    variance: tuple[float, float]


@dataclass(frozen=True)
class ListedImage:
    """A gallery image by its row, and whether it shows the person who is looked for."""

    row: int
    match: bool


@dataclass(frozen=True)
class ListedQuery:
    """A query by its row, its average precision, and what is nearest, before and under attack."""

    row: int
    ap: float | None
    attacked_ap: float | None
    clean: tuple[ListedImage, ...]
    attacked: tuple[ListedImage, ...]


@dataclass(frozen=True)
class Listed:
    """The queries that lose most under one attack."""

    attack: str
    queries: tuple[ListedQuery, ...]


@dataclass(frozen=True)
class OtherDataset:
    """The same encoder on data that it was not trained on."""

    dataset: str
    map: float
    rank1: float
    worst_map: float | None
    worst_rank1: float | None


@dataclass(frozen=True)
class PeerLine:
    """A row of the published board, or the encoder of the report among them."""

    label: str
    backbone: str
    trainings: int
    map: float
    worst_map: float
    is_this: bool
    holds_this: bool


@dataclass(frozen=True)
class Standing:
    """The place of the encoder among published rows of its protocol, by the worst case."""

    place: int
    rows: tuple[PeerLine, ...]


@dataclass(frozen=True)
class ClaimLine:
    """Published numbers of one method that were not measured here.

    Attributes:
        numbers: mAP and rank-1 by attack: ``clean``, ``sma@8``.
    """

    method: str
    numbers: Mapping[str, tuple[float | None, float | None]]
    origin: str
    provenance: str
    url: str


@dataclass(frozen=True)
class Report:
    """The whole report.

    Attributes:
        title: The encoder.
        subtitle: Data set, network and image size.
        summary: The result in sentences.
        threat: What attackers may do.
        about_attacks: What each attack does, in a line.
        clean: Retrieval without an attack: ``map``, ``rank1``, ``rank5``, ``rank10``, ``minp``.
        targeted: Whether attackers have a target identity, whose ranking then counts.
        spread: None where outcomes of single queries are not at hand.
        listed: None where the run stored no ranked lists.
        standing: None where no published row has the protocol.
        making: What was trained or given, and what it cost.
        environment: Where it was computed.
    """

    title: str
    subtitle: str
    record: str
    protocol: str
    summary: tuple[str, ...]
    threat: Facts
    about_attacks: Facts
    clean: Mapping[str, float]
    worst: Worst | None
    targeted: bool
    attacks: tuple[AttackLine, ...]
    curves: tuple[Curve, ...]
    flags: tuple[RaisedFlag, ...]
    spread: IdentitySpread | None
    listed: Listed | None
    other_datasets: tuple[OtherDataset, ...]
    standing: Standing | None
    claims: tuple[ClaimLine, ...]
    making: Facts
    configuration: Facts
    environment: Facts
