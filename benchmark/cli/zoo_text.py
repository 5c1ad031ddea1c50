"""The zoo on the screen: what ``list zoo`` and ``describe zoo NAME`` say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmark.cli.screen import write_json, write_line

if TYPE_CHECKING:
    from benchmark.models.zoo_card import ZooCard

_HEADS = ("name", "clean", "worst", "size", "row")


def list_zoo(json_: bool) -> None:
    """Write the entries with the figures of their weights, the most robust first."""
    from benchmark.models.zoo import zoo_cards

    cards = sorted(zoo_cards().values(), key=lambda card: -card.measured.worst_map)
    if json_:
        write_json([_entry(card) for card in cards])
        return
    lines = [_HEADS, *(_line(card) for card in cards)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADS))]
    for name, clean, worst, size, row in lines:
        numbers = zip((clean, worst, size), widths[1:], strict=False)
        told = "  ".join(f"{text:>{width}}" for text, width in numbers)
        write_line(f"{name:<{widths[0]}}  {told}  {row}")
    write_line("\nmAP in percent of these weights, clean and in the worst case over")
    write_line(", ".join(cards[0].measured.attacks))
    write_line("Use: --defense zoo:NAME, --defense zoo for all, load_encoder(NAME)")


def describe_zoo(name: str, json_: bool) -> None:
    """Write the card of an entry."""
    from benchmark.models.zoo import zoo_card

    card = zoo_card(name)
    if json_:
        write_json(card.model_dump(mode="json"))
        return
    measured, published = card.measured, card.published
    options = " ".join(f"{key}={value}" for key, value in card.defense.config.items())
    lines = {
        "defense": f"{card.defense.name} ({card.defense.behaviour}) {options}".strip(),
        "network": f"{card.backbone.name} of width {card.backbone.width}",
        "images": f"{card.image_size[0]}×{card.image_size[1]}",
        "trained on": f"{card.dataset.name}, seed {card.seed}",
        "training": " ".join(f"{key}={value}" for key, value in card.training.items()),
        "made from": ", ".join(card.bases),
        "these weights": _figures(measured.clean_map, measured.worst_map),
        "record": measured.record,
        "protocol": measured.protocol,
        "attacks": ", ".join(measured.attacks),
        "published row": published
        and f"{_figures(published.clean_map, published.worst_map)} over "
        f"{len(published.seeds)} other trainings, in another protocol ({published.protocol[:8]})",
        "weights": f"{_size(card)}, SHA-256 {card.weights.sha256}",
        "licence": card.licence,
    }
    write_line(f"{card.slug}: {card.label}")
    for key, text in lines.items():
        if text:
            write_line(f"{key}: {text}")


def _entry(card: ZooCard) -> dict[str, Any]:
    return {
        "name": card.slug,
        "label": card.label,
        "defense": card.defense.name,
        "clean_map": card.measured.clean_map,
        "worst_map": card.measured.worst_map,
        "bytes": card.weights.bytes,
        "backbone": card.backbone.name,
        "image_size": list(card.image_size),
        "dataset": card.dataset.name,
        "sha256": card.weights.sha256,
    }


def _line(card: ZooCard) -> tuple[str, ...]:
    measured = card.measured
    figures = (f"{value:.1f}" for value in (measured.clean_map, measured.worst_map))
    return (card.slug, *figures, _size(card), card.label)


def _size(card: ZooCard) -> str:
    return f"{card.weights.bytes / 1e6:.1f} MB"


def _figures(clean: float, worst: float) -> str:
    return f"mAP {clean:.1f} clean, {worst:.1f} in the worst case"
