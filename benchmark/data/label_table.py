"""A table of images: a CSV file with a path, an identity, a camera and a split in each row."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from benchmark.core.errors import DataError
from benchmark.core.listing import listed
from benchmark.data.image_label import ImageLabel
from benchmark.data.layout import MOST_DIGITS, SPLITS, Split

NEEDED = ("path", "pid", "camid", "split")
OPTIONAL = ("sequence", "frame", "junk", "distractor")
NO_CAMERAS = "or say that cameras are unknown: --set dataset_config.folder.cameras=none"


@dataclass(frozen=True)
class LabelTable:
    """What a table says.

    Attributes:
        splits: Label of each image of a split, by its path relative to the table's folder.
        unknown: Columns that are not read.
    """

    splits: dict[Split, dict[str, ImageLabel]]
    unknown: tuple[str, ...]


def read_table(path: Path, cameras: bool) -> LabelTable:
    """Read a table; byte order marks, CRLF, semicolons and tabs are as good as plain CSV.

    Args:
        path: The file.
        cameras: Whether cameras are known; if not, there need be no column for them.

    Raises:
        DataError: A column is missing, or a row says something that cannot be used.
    """
    text = _text(path)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        return _read(path, rows, cameras)
    except csv.Error as error:
        raise DataError(
            f"{path}:{rows.line_num}: {error}", "look for a quote that is not closed"
        ) from error


def _read(path: Path, rows: csv.DictReader[str], cameras: bool) -> LabelTable:
    columns = [str(name).strip().lower() for name in rows.fieldnames or ()]
    rows.fieldnames = columns
    missing = [name for name in NEEDED if name not in columns and (cameras or name != "camid")]
    if missing:
        only_cameras = f", {NO_CAMERAS}" if missing == ["camid"] else ""
        raise DataError(
            f"{path} has no column {' and no column '.join(missing)}",
            f"its first line names the columns: {','.join(NEEDED)} and, if known, "
            f"{','.join(OPTIONAL)}{only_cameras}",
        )
    if repeated := [name for name, count in Counter(columns).items() if count > 1]:
        raise DataError(f"{path} has two columns {repeated[0]}", "leave one of them out")
    splits: dict[Split, dict[str, ImageLabel]] = {split: {} for split in SPLITS}
    for row in rows:
        line = _Line(path, rows.line_num, row)
        split, image, label = line.split(), line.path(), line.label(cameras)
        if image in splits[split]:
            raise line.error(f"{image} is listed twice in {split}", "leave one of the lines out")
        splits[split][image] = label
    unknown = [name for name in columns if name and name not in (*NEEDED, *OPTIONAL)]
    return LabelTable({s: found for s, found in splits.items() if found}, tuple(unknown))


class _Line:
    """One row, whose errors name the file and the line."""

    def __init__(self, file: Path, number: int, row: dict[str, str | None]) -> None:
        self._file, self._number, self._row = file, number, row

    def error(self, what: str, hint: str) -> DataError:
        return DataError(f"{self._file}:{self._number}: {what}", hint)

    def _value(self, column: str) -> str:
        return (self._row.get(column) or "").strip()

    def split(self) -> Split:
        for split in SPLITS:
            if split == self._value("split").lower():
                return split
        raise self.error(
            f"{self._value('split')!r} is no split", f"the splits are {', '.join(SPLITS)}"
        )

    def path(self) -> str:
        given = self._value("path").replace("\\", "/")
        if not given:
            raise self.error("there is no path", "give one, or leave the line out")
        if given.startswith("/") or PureWindowsPath(given).drive:
            raise self.error(
                f"{given!r} is an absolute path",
                f"give paths relative to {self._file.parent}, so that the data can be moved",
            )
        parts: list[str] = []
        for part in PurePosixPath(given).parts:
            if part == ".." and not parts:
                raise self.error(
                    f"{given!r} leaves the folder {self._file.parent}",
                    "put the images below the table, or the table above the images",
                )
            parts = parts[:-1] if part == ".." else [*parts, part]
        return "/".join(parts)

    def label(self, cameras: bool) -> ImageLabel:
        return ImageLabel(
            self.path(),
            self._number_of("pid", "mark junk and distractors in columns of these names"),
            self._number_of("camid", NO_CAMERAS) if cameras else 0,
            junk=self._flag("junk"),
            distractor=self._flag("distractor"),
            sequence=self._number_if_given("sequence"),
            frame=self._number_if_given("frame"),
        )

    def _number_of(self, column: str, further: str = "") -> int:
        text = self._value(column)
        if text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS:
            return int(text)
        hint = f"give a whole number from 0, of {MOST_DIGITS} digits at most"
        raise self.error(f"{column} is {text!r}", f"{hint}; {further}" if further else hint)

    def _number_if_given(self, column: str) -> int | None:
        return self._number_of(column, "or leave it empty") if self._value(column) else None

    def _flag(self, column: str) -> bool:
        text = self._value(column).lower()
        if text in ("", "0", "false", "no"):
            return False
        if text in ("1", "true", "yes"):
            return True
        raise self.error(f"{column} is {text!r}", "give 0 or 1")


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: {error.reason}", "save it as UTF-8") from error
    except OSError as error:
        raise DataError(
            f"cannot read {path}: {error.strerror}", "check the path and its permissions"
        ) from error
    if not text.strip() or "\0" in text:
        raise DataError(f"{path} is no table", f"write a CSV file: {','.join(NEEDED)}")
    return text


def _delimiter(text: str) -> str:
    """Return what stands between columns: spreadsheets of some countries write semicolons."""
    head = text.lstrip().splitlines()[0]
    return max(",;\t", key=head.count)


def unread_columns(table: LabelTable, place: str) -> list[str]:
    """Return a line on columns that are not read, if there are some."""
    return [f"{place}: columns not read: {listed(table.unknown)}"] if table.unknown else []
