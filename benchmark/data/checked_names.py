"""Which files of the three folders make up a data set, and which are left out, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmark.core.errors import DataError
from benchmark.data.corrupt import skipped_line
from benchmark.data.folder_listing import list_folder, unread_line
from benchmark.data.layout import FOLDERS, ImageName, Split, parse_name


@dataclass(frozen=True)
class _Listed:
    labels: dict[str, ImageName]
    nobody: int
    """Images of nobody: junk and background, where identities are asked for."""
    unread: tuple[str, ...]
    broken: tuple[str, ...]


class CheckedNames:
    """Checked file names of the three folders, each listed when first asked for.

    Args:
        folder: Holds the three folders.
        broken: Returns those of some files of a split that are to be left out.
    """

    def __init__(self, folder: Path, broken: Callable[[Split, list[str]], list[str]]) -> None:
        self._folder, self._broken = folder, broken
        self._splits: dict[Split, _Listed] = {}

    def __getitem__(self, split: Split) -> tuple[str, ...]:
        names = tuple(self._listed(split).labels)
        if split != "train" and self.unmatched() == len(self._listed("query").labels):
            raise DataError(
                f"no query in {self._folder} has a match in the gallery",
                "the gallery must show queried identities from other cameras",
            )
        return names

    def _listed(self, split: Split) -> _Listed:
        if split not in self._splits:
            self._splits[split] = self._list(split)
        return self._splits[split]

    def _list(self, split: Split) -> _Listed:
        folder = self._folder / FOLDERS[split]
        listing = list_folder(folder)
        labels = {}
        for name in listing.images:
            try:
                labels[name] = parse_name(name)
            except DataError as error:
                raise DataError(f"{folder}: {error.what}", error.hint) from error
        if split != "gallery":
            labels = {name: label for name, label in labels.items() if label.pid > 0}
        if not labels:
            raise DataError(
                f"all {len(listing.images)} images in {folder} are junk (-1) or background (0000)",
                "put images of people there, named with their identity",
            )
        broken = self._broken(split, list(labels))
        sound = {name: label for name, label in labels.items() if name not in set(broken)}
        if not sound:
            raise DataError(
                f"none of the {len(broken)} images in {folder} can be decoded",
                "fetch the files again",
            )
        nobody = len(listing.images) - len(labels)
        return _Listed(sound, nobody, listing.unread, tuple(broken))

    def left_out(self, splits: tuple[Split, ...]) -> list[str]:
        """Return lines that count and name what lies in the folders and is not used."""
        lines = []
        for split in splits:
            if nobody := self._listed(split).nobody:
                lines.append(
                    f"{nobody} junk (-1) and background (0000) images in {FOLDERS[split]} are left "
                    "out: they show no identity"
                )
        for split in splits:
            if unread := self._listed(split).unread:
                lines.append(f"{FOLDERS[split]}: {unread_line(unread)}")
        broken = [f"{FOLDERS[s]}/{name}" for s in splits for name in self._listed(s).broken]
        return [*lines, *([skipped_line(broken)] if broken else [])]

    def unmatched(self) -> int:
        """Return how many queries no gallery image of another camera matches."""
        gallery: dict[int, set[int]] = {}
        for label in self._listed("gallery").labels.values():
            gallery.setdefault(label.pid, set()).add(label.camid)
        return sum(
            not gallery.get(label.pid, set()) - {label.camid}
            for label in self._listed("query").labels.values()
        )
