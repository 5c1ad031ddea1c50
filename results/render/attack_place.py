"""The place of an attack among the known ones, as tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from results.board.attack_place import AttackPlace, Placing, overall
from results.render.console import plain_table

NOTE = (
    "mAP in percent on the same queries and the same published weights; what is known was measured "
    "when they were published. Place 1 leaves least. A worst case is over all known attacks."
)


def print_places(placing: Placing, console: Console) -> None:
    """Print a table for each new attack, then its place in the mean over all encoders."""
    for attack in dict.fromkeys(one.attack for one in placing.places):
        places = [one for one in placing.places if one.attack == attack]
        _print_attack(attack, places, console)
    for line in placing.refused:
        console.print(Text(f"not compared: {line}", style="dim"))


def _print_attack(attack: str, places: Sequence[AttackPlace], console: Console) -> None:
    head = f"\nplace of {attack} among known attacks, on {places[0].queries} queries"
    table = plain_table()
    table.add_column("Defense", overflow="fold")
    for title in ("Clean", "This one", "Place", "Strongest known", "Worst known", "Worst with it"):
        table.add_column(title, justify="right", overflow="fold")
    for one in sorted(places, key=lambda one: one.worst_known):
        gain = one.worst_with < one.worst_known - 0.05
        table.add_row(
            Text(one.defense),
            f"{one.clean:.1f}",
            Text(f"{one.map:.1f}", style="bold green" if one.place == 1 else ""),
            f"{one.place}/{len(one.known) + 1}",
            Text(f"{_without_budget(one.strongest)} {one.known[one.strongest]:.1f}"),
            f"{one.worst_known:.1f}",
            Text(f"{one.worst_with:.1f}", style="bold green" if gain else ""),
        )
    console.print(Text(head, style="bold"))
    console.print(table)
    means = overall(places)
    place = 1 + [*means].index(attack)
    told = " · ".join(f"{_without_budget(key)} {value:.1f}" for key, value in means.items())
    console.print()
    console.print(Text(f"mean over {len(places)} encoders: place {place} of {len(means)}"))
    console.print(Text(told))
    console.print(Text(NOTE, style="dim"))


def _without_budget(key: str) -> str:
    """Return the name of an attack: all of one table have the same budget."""
    return key.partition("@")[0]
