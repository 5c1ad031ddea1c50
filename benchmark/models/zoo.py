"""The zoo: weights of published rows, found by name in a folder or fetched from a hub.

Cards come with the package; weights lie beside them in a clone of the repository, and are fetched
where they do not. Whatever place they come from, their SHA-256 must be the one of the card.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from benchmark.core.errors import DataError, UsageError, unknown_name
from benchmark.core.fingerprint import agreed_sha256, sha256_file
from benchmark.core.own_packages import ROOT
from benchmark.core.parametrised import SEPARATOR
from benchmark.models.zoo_card import CARD_FILE, SLUG, WEIGHTS_FILE, ZooCard
from benchmark.models.zoo_hub import MEND, ZOO_VARIABLE, fetch_weights

ZOO = "zoo"
"""Name of the defense that stands for all entries; ``zoo:NAME`` is one of them."""


def zoo_folder() -> Path:
    """Return the folder of the zoo: $REID_ROBUSTBENCH_ZOO, else the one of the package.

    Raises:
        UsageError: The variable names no folder.
    """
    named = os.environ.get(ZOO_VARIABLE)
    if not named:
        return ROOT / "results" / ZOO
    folder = Path(named).expanduser().absolute()
    if not folder.is_dir():
        raise UsageError(f"{ZOO_VARIABLE}: there is no folder {folder}", "correct or unset it")
    return folder


def zoo_cards() -> dict[str, ZooCard]:
    """Return the cards of all entries by name, in order.

    Raises:
        UsageError: There is none.
        DataError: A card cannot be read.
    """
    folder = zoo_folder()
    cards = {path.parent.name: _read(path) for path in sorted(folder.glob(f"*/{CARD_FILE}"))}
    if not cards:
        raise UsageError(f"the zoo is empty: there is no card in {folder}", MEND)
    return cards


def zoo_card(name: str) -> ZooCard:
    """Return the card of an entry.

    Raises:
        UsageError: No entry has this name; the closest names are given.
        DataError: A card cannot be read.
    """
    cards = zoo_cards()
    if name not in cards:
        raise unknown_name("entry of the zoo", name, cards)
    return cards[name]


def is_zoo_name(path: str | Path) -> bool:
    """Whether something is meant as an entry: one bare word, and no path that exists."""
    bare = isinstance(path, str) and SLUG.fullmatch(path) is not None
    return bare and not Path(path).exists()


def zoo_weights(card: ZooCard) -> Path:
    """Return the file with the weights of an entry, fetched if need be.

    Raises:
        DataError: The file is another one than the card tells of.
        EnvironmentProblem: It cannot be fetched.
    """
    path = zoo_folder() / card.slug / WEIGHTS_FILE
    if not path.is_file():
        path = fetch_weights(card.slug)
    agreed_sha256(card.weights.sha256, sha256_file(path), f"the file {path}")
    return path


def with_all_entries(defenses: list[str]) -> list[str]:
    """Return names of defenses with those of all entries in place of ``zoo``, each once."""
    if ZOO not in defenses:
        return defenses
    entries = [f"{ZOO}{SEPARATOR}{name}" for name in zoo_cards()]
    groups = (entries if name == ZOO else [name] for name in defenses)
    return list(dict.fromkeys(name for group in groups for name in group))


def _read(path: Path) -> ZooCard:
    try:
        card = ZooCard.model_validate_json(path.read_text("utf-8"))
    except (OSError, ValidationError) as error:
        last = str(error).splitlines()[0]
        raise DataError(f"the card {path} cannot be read: {last}", "restore the file") from error
    if card.slug != path.parent.name:
        raise DataError(f"the card {path} is of {card.slug!r}", "rename the folder to that")
    return card
