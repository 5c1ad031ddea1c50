"""What the page of a row says, as plain values; percentages are 0-100."""

from __future__ import annotations

from dataclasses import dataclass

from results.board.frame import Mean
from results.report.content import Curve, Facts, Interval, Listed, RaisedFlag
from results.report.publication import Publication


@dataclass(frozen=True)
class Headline:
    """The numbers that a row is quoted by.

    Attributes:
        ci95: Interval of the worst-case mAP over query identities: the mean of those of trainings.
        kept: Share of the clean mAP that is left, in percent.
        eps: Budget in 1/255 units; None where attacks have none or several.
    """

    clean_map: Mean
    clean_rank1: Mean
    worst_map: Mean
    worst_rank1: Mean
    ci95: Interval | None
    kept: float | None
    eps: float | None


@dataclass(frozen=True)
class AttackOfRow:
    """One attack at one budget: means over trainings.

    Attributes:
        counted: Whether the worst case covers it.
        strongest: Whether no attack that counts leaves less.
        share_of_worst: Queries at which no other attack is worse, in percent.
        target_map: mAP of the target identities, on boards whose attacks have some.
        seconds: For all queries of a training, as are images and answers.
    """

    label: str
    eps: float | None
    knowledge: str
    counted: bool
    strongest: bool
    seen_in_training: bool
    map: Mean
    ci95: Interval
    rank1: Mean
    share_of_worst: float | None
    success_rate: float | None
    target_map: float | None
    seconds: float | None
    forwards: float | None
    backwards: float | None
    answers: float | None


@dataclass(frozen=True)
class TrainingOfRow:
    """One training: what it gave, what it cost, and what it is in full.

    Attributes:
        attack_seconds: Of all attacks, as are `attack_forwards` and the rest.
        published: Date at which its record came into the repository, or why it is not known.
        facts: Image passes of the training, hashes, and names of files, or why there are none.
    """

    seed: int
    clean_map: float
    worst_map: float | None
    seconds: float
    epochs: int
    memory_bytes: int | None
    attack_seconds: float
    attack_forwards: int
    attack_backwards: int
    answers: int
    device: str
    published: str
    facts: Facts


@dataclass(frozen=True)
class Place:
    """Where some trainings were computed."""

    seeds: tuple[int, ...]
    facts: Facts


@dataclass(frozen=True)
class OtherData:
    """The same encoders on a data set that they were not trained on."""

    dataset: str
    clean_map: Mean
    worst_map: Mean


@dataclass(frozen=True)
class Relative:
    """Another row of the same defense on the same data set.

    Attributes:
        page: Name of its page, which lies beside this one.
        differs: Board and threat model, where they are others than here.
    """

    label: str
    page: str
    differs: str
    seeds: int
    clean_map: Mean
    worst_map: Mean
    published: str
    is_this: bool


@dataclass(frozen=True)
class EntryPage:
    """The page of a row.

    Attributes:
        board: Subject of its board.
        board_page: Path of the page of the board, from the root of the site.
        compare_page: Path of the comparison with this row chosen, likewise.
        command: What makes it anew, or why that is not known.
        group: Tie group in the worst case; None without.
        about_attacks: What each attack does, in a line.
        curves: mAP over budgets, means over trainings; empty with fewer than three budgets.
        answer_curves: mAP over the answers that black-box attacks were given.
        listed: Ranked lists of the first training that has some.
        papers: What the defense goes back to.
        trust: How far it may be trusted now, and what was stated of it, by date.
        relatives: All rows of the defense on this data set, itself included.
    """

    label: str
    defense: str
    board: str
    threat_title: str
    board_page: str
    compare_page: str
    rows: int
    group: int | None
    targeted: bool
    headline: Headline
    remarks: tuple[str, ...]
    command: str
    threat: Facts
    about_attacks: Facts
    flags: tuple[RaisedFlag, ...]
    attacks: tuple[AttackOfRow, ...]
    curves: tuple[Curve, ...]
    answer_curves: tuple[Curve, ...]
    trainings: tuple[TrainingOfRow, ...]
    places: tuple[Place, ...]
    protocol: str
    configuration: Facts
    card: Facts
    papers: tuple[Publication, ...]
    trust: Facts
    other_data: tuple[OtherData, ...]
    listed: Listed | None
    gallery_attacked: bool
    relatives: tuple[Relative, ...]
