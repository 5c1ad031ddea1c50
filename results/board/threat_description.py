"""What attacks may do, in the few words of a title."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from results.records.retrieval import AttackResult

_NORMS = {"linf": "L∞", "l2": "L2", "l1": "L1", "l0": "L0", "color-lut": "colour table"}
_KNOWLEDGE = {
    "white": "white-box",
    "transfer": "transfer",
    "score": "score-based",
    "decision": "decision-based",
}
_INTENTS = {"dodge": "dodging", "impersonate": "impersonating", "rank-down": "ranking down"}
_TARGETS = {
    "random": " a random identity",
    "nearest": " the nearest identity",
    "farthest": " the farthest identity",
    None: "",
}


def threat_description(attacks: Sequence[AttackResult]) -> str:
    """Return knowledge, budget, attacked images and intent of some attacks, each named once."""
    norms = _joined(_NORMS.get(a.norm, a.norm) for a in attacks)
    sizes = sorted({a.eps for a in attacks if a.eps is not None})
    budget = f"{norms} ε = {', '.join(f'{eps:g}' for eps in sizes)}/255" if sizes else norms
    sides = _joined(map(_images, attacks))
    intents = _joined(_INTENTS[a.intent] + _TARGETS[a.target_rule] for a in attacks)
    knowledge = _joined(_KNOWLEDGE[a.knowledge] for a in attacks if not a.is_control)
    return f"{knowledge} {budget} on {sides}, {intents}".lstrip()


def _images(attack: AttackResult) -> str:
    if attack.fraction == 1:
        return f"{attack.side.replace('both', 'query and gallery')} images"
    gallery = f"{100 * attack.fraction:g}% of the gallery images"
    return f"query images and {gallery}" if attack.side == "both" else gallery


def _joined(words: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(words))
