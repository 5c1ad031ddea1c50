"""Anyone's crops: named as in Market-1501, or listed in a table."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from benchmark.core.errors import DataError
from benchmark.core.listing import listed
from benchmark.data.checked_splits import SplitListing
from benchmark.data.disk_dataset import DiskDataset
from benchmark.data.image_label import ImageLabel
from benchmark.data.label_table import NEEDED, LabelTable, read_table, unread_columns
from benchmark.data.layout import FOLDERS, SPLITS, Split, parse_unseen_name
from benchmark.data.three_folders import ThreeFolders


class Folder(ThreeFolders):
    """Your own images: three folders with names as in Market-1501, or a CSV file that lists them.

    The CSV file lies in the root, above the images; see docs/data.md for its columns.
    """

    class Config(DiskDataset.Config):
        """Options."""

        table: str = ""
        """Name of the CSV file in the root; empty: the only one there, if there are no three
        folders."""
        cameras: Literal["known", "none"] = "known"
        """None: nobody knows which camera took which image. Ranking then leaves out the query's
        own image and nothing else, and results have a protocol of their own."""

    config: Config

    name: ClassVar[str] = "folder"
    contents: ClassVar[str] = f"{ThreeFolders.contents}, or a table {','.join(NEEDED)} (.csv)"
    source: ClassVar[str] = "your own"

    @property
    def cameras(self) -> bool:
        """Whether cameras are known."""
        return self.config.cameras == "known"

    def _is_here(self, folder: Path) -> bool:
        return bool(self.config.table) or super()._is_here(folder) or bool(_tables(folder))

    @cached_property
    def _table_path(self) -> Path | None:
        if self.config.table:
            return self.folder / self.config.table
        if super()._is_here(self.folder):
            return None
        found = _tables(self.folder)
        if len(found) > 1:
            raise DataError(
                f"{self.folder} holds several tables: {listed([path.name for path in found])}",
                f"say which: --set dataset_config.folder.table={found[0].name}",
            )
        return found[0]

    @cached_property
    def _table(self) -> LabelTable | None:
        return None if self._table_path is None else read_table(self._table_path, self.cameras)

    def present(self) -> tuple[Split, ...]:
        """Return the splits that there are."""
        if self._table is None:
            return super().present()
        return tuple(split for split in SPLITS if split in self._table.splits)

    def _list(self, split: Split) -> SplitListing:
        listing = super()._list(split) if self._table is None else self._listed(self._table, split)
        if self.cameras:
            return listing
        places = self._own_cameras
        images = {p: replace(one, camid=places[one.name]) for p, one in listing.images.items()}
        return replace(listing, images=images)

    def _listed(self, table: LabelTable, split: Split) -> SplitListing:
        assert self._table_path is not None
        place = self._table_path.name
        images = table.splits.get(split)
        if not images:
            raise DataError(f"{self._table_path} lists no image of {split}", "add some lines")
        if self.config.on_corrupt == "fail":
            absent = [path for path in images if not (self.folder / path).exists()]
            if absent:
                raise DataError(
                    f"{place}: {len(absent)} of {len(images)} images of {split} are not in "
                    f"{self.folder}: {listed(absent, 5)}",
                    "correct the paths, or leave such files out with --set on_corrupt=skip",
                )
        return SplitListing(place, images)

    @cached_property
    def _own_cameras(self) -> dict[str, int]:
        """A camera for each image; one that is query and in the gallery is the same image."""
        listings = [
            super(Folder, self)._list(s) if self._table is None else self._listed(self._table, s)
            for s in self.present()
        ]
        names = sorted({one.name for listing in listings for one in listing.images.values()})
        return {name: camid for camid, name in enumerate(names, 1)}

    def _label(self, name: str) -> ImageLabel:
        if self.cameras:
            return super()._label(name)
        pid = parse_unseen_name(name)
        return ImageLabel(name, pid, 0, junk=pid < 0, distractor=pid == 0)

    def left_out(self) -> list[str]:
        """Return lines that count and name what lies beside the images and is not used."""
        lines = super().left_out()
        if self._table is not None and self._table_path is not None:
            lines += unread_columns(self._table, self._table_path.name)
        return lines

    def _about(self) -> dict[str, Any]:
        return {
            "title": "Your own images",
            "description": f"Images in {', '.join(FOLDERS.values())} or listed in a table.",
            "not": "Not delivered with this project.",
            "licence": "That of the files.",
            "source": "files given by the user",
            "cameras": self.config.cameras,
        }


def _tables(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".csv")
    except OSError:  # whoever opens the folder tells what is wrong with it
        return []
