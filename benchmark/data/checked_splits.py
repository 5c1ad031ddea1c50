"""Which image files make up the splits of a data set, and which are left out, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmark.core.errors import DataError
from benchmark.data.corrupt import skipped_line
from benchmark.data.folder_listing import unread_line
from benchmark.data.image_label import ImageLabel
from benchmark.data.layout import Split


@dataclass(frozen=True)
class SplitListing:
    """What a data set says of one split before a file is opened.

    Attributes:
        place: The folder or list file that says it, as messages call it.
        images: Label of each image file, by its path relative to the data set's folder.
        unread: Names beside the images that are not read and not known to be harmless.
    """

    place: str
    images: Mapping[str, ImageLabel]
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Checked:
    images: dict[str, ImageLabel]
    nobody: int
    """Images of nobody: junk and distractors, where identities are asked for."""
    broken: tuple[str, ...]
    listing: SplitListing


class CheckedSplits:
    """Checked images of the splits, each listed when first asked for.

    Args:
        folder: The data set's folder, for messages.
        listing: Lists a split.
        broken: Returns those of some paths of a split that are to be left out.
    """

    def __init__(
        self,
        folder: object,
        listing: Callable[[Split], SplitListing],
        broken: Callable[[list[str]], list[str]],
    ) -> None:
        self._folder, self._listing, self._broken = folder, listing, broken
        self._splits: dict[Split, _Checked] = {}
        self._unmatched: int | None = None

    def __getitem__(self, split: Split) -> Mapping[str, ImageLabel]:
        """Return the label of each image by its path, in the order of names."""
        images = self._checked(split).images
        if split != "train" and self.unmatched() == len(self._checked("query").images):
            raise DataError(
                f"no query in {self._folder} has a match in the gallery",
                "the gallery must show queried identities from other cameras",
            )
        return images

    def _checked(self, split: Split) -> _Checked:
        if split not in self._splits:
            self._splits[split] = self._check(split)
        return self._splits[split]

    def _check(self, split: Split) -> _Checked:
        listing = self._listing(split)
        images = dict(sorted(listing.images.items(), key=lambda item: item[1].name))
        if split != "gallery":
            images = {path: label for path, label in images.items() if label.is_person}
        if not images:
            raise DataError(
                f"all {len(listing.images)} images in {self._folder}/{listing.place} are junk (-1) "
                "or background (0000)",
                "put images of people there, named with their identity",
            )
        broken = self._broken(list(images))
        left_out = set(broken)
        sound = {path: label for path, label in images.items() if path not in left_out}
        if not sound:
            raise DataError(
                f"none of the {len(broken)} images in {self._folder}/{listing.place} can be "
                "decoded",
                "fetch the files again",
            )
        return _Checked(sound, len(listing.images) - len(images), tuple(sorted(broken)), listing)

    def left_out(self, splits: tuple[Split, ...]) -> list[str]:
        """Return lines that count and name what lies beside the images and is not used."""
        checked = [self._checked(split) for split in splits]
        lines = [
            f"{one.nobody} junk (-1) and background (0000) images in {one.listing.place} are left "
            "out: they show no identity"
            for one in checked
            if one.nobody
        ]
        lines += [
            f"{one.listing.place}: {unread_line(one.listing.unread)}"
            for one in checked
            if one.listing.unread
        ]
        broken = [path for one in checked for path in one.broken]
        return [*lines, *([skipped_line(broken)] if broken else [])]

    def unmatched(self) -> int:
        """Return how many queries no gallery image of another camera matches."""
        if self._unmatched is None:
            self._unmatched = self._count_unmatched()
        return self._unmatched

    def _count_unmatched(self) -> int:
        gallery: dict[int, set[int]] = {}
        for label in self._checked("gallery").images.values():
            if label.is_person:
                gallery.setdefault(label.pid, set()).add(label.camid)
        return sum(
            not gallery.get(label.pid, set()) - {label.camid}
            for label in self._checked("query").images.values()
        )
