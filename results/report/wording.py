"""The sentences and the facts of a report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from results.board.record_metrics import clean_target, strongest_target
from results.board.threat_description import threat_description
from results.records.schema import Record
from results.report.content import Facts, Worst

KNOWLEDGE = {
    "none": "nothing: random noise, the control",
    "white": "white-box: the network, its weights and its defense",
    "transfer": "transfer: other networks, trained by the attacker",
    "score": "score-based: answers with similarities",
    "decision": "decision-based: answers without similarities",
}
"""What the attacker knows of the encoder."""


def summary(record: Record, worst: Worst | None, flags: int, targeted: bool) -> Iterator[str]:
    """Yield the result in sentences, the most important first."""
    clean = record.clean
    yield (
        f"On clean images the right person comes first for {clean.rank1:.1f} % of the queries "
        f"(mAP {clean.map:.1f})."
    )
    if not record.attacks:
        yield "Nothing was attacked: this report says nothing about robustness."
    elif targeted:
        yield from _of_targets(record)
    elif worst is not None:
        low, high = worst.ci95_map
        kept = "" if worst.kept is None else f" That is {100 * worst.kept:.0f} % of the clean mAP."
        yield (
            f"When each query meets the strongest of {_attacks(len(worst.attacks))}{_at(worst)}, "
            f"it still does so for {worst.rank1:.1f} % (mAP {worst.map:.1f}, 95 % interval "
            f"{low:.1f} to {high:.1f}).{kept}"
        )
        if any(one.side != "query" for one in record.attacks):
            yield "It is a lower bound: one gallery holds one attack for all queries."
    if few := record.protocol.queries:
        yield (
            f"A quick look at {few.chosen} of {few.of} queries: not to be compared with results of "
            "all queries."
        )
    if flags:
        are = "flag is" if flags == 1 else "flags are"
        yield f"{flags} sanity {are} raised: see below before relying on a number."
    elif record.attacks:
        yield "No sanity flag is raised, which is no proof of robustness."


def _of_targets(record: Record) -> Iterator[str]:
    before, after = clean_target(record), strongest_target(record)
    if before is not None and after is not None:
        yield (
            "Each query has a target identity. Under the attack that moves them most, the mAP of "
            f"the targets goes from {before:.1f} to {after:.1f}."
        )


def _attacks(count: int) -> str:
    return "1 attack" if count == 1 else f"{count} attacks"


def _at(worst: Worst) -> str:
    return "" if worst.eps is None else f" at ε = {worst.eps:g}/255"


def threat(record: Record) -> Iterator[tuple[str, str]]:
    """Yield what attackers may do."""
    attacks = record.attacks
    if not attacks:
        yield "Attacks", "none"
        return
    yield "In short", threat_description(attacks)
    yield "Attacks", ", ".join(dict.fromkeys(one.name for one in attacks))
    budgets = sorted({one.eps for one in attacks if one.eps is not None})
    yield "Budgets", ", ".join(f"{eps:g}/255" for eps in budgets) or "without bound"
    yield "Attacker knows", "; ".join(KNOWLEDGE[one] for one in _kinds(record))
    yield "Numbers are of", "images rounded to 8 bits, as a file keeps them"
    yield "Protocol", f"{record.protocol.name}, {record.protocol.fingerprint[:8]}"


def _kinds(record: Record) -> list[str]:
    known = {one.knowledge for one in record.attacks}
    return [one for one in KNOWLEDGE if one in known]


def making(record: Record) -> Iterator[tuple[str, str]]:
    """Yield what the encoder is, and what its training cost."""
    training, card = record.training, record.defense.card
    yield "Defense", record.defense.name
    for key in ("title", "paper"):
        if card.get(key):
            yield key.capitalize(), str(card[key])
    yield "Backbone", record.backbone
    if training.encoder_parameters:
        yield "Parameters", f"{training.encoder_parameters:,}"
    yield "Images", f"{record.image_size[0]}×{record.image_size[1]} pixels"
    yield "Data set", record.dataset
    yield "Training seed", str(record.seed)
    if training.epochs:
        minutes, seconds = divmod(round(training.seconds), 60)
        yield "Training", f"{training.epochs} epochs in {minutes} min {seconds} s"
    if record.defense.trained_against:
        yield "Trained against", ", ".join(record.defense.trained_against)


def configuration(record: Record) -> Facts:
    """Return every option of the defense and of the training recipe."""
    recipe = {"training": record.training.recipe} if record.training.recipe else {}
    return tuple(_flat({**record.defense.config, **recipe}))


def _flat(options: Mapping[str, JsonValue], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in options.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value if isinstance(value, str) else json.dumps(value)


def environment(record: Record) -> Iterator[tuple[str, str]]:
    """Yield where it was computed."""
    place = record.environment
    yield "Device", place.device
    yield "Python", place.python
    yield "torch", place.torch
    if place.git_commit:
        yield "Commit", place.git_commit
    yield from ((name, one) for name, one in place.packages.items() if name != "torch")
    if len(record.environments) > 1:
        yield "Also computed on", ", ".join(one.device for one in record.environments[1:])
