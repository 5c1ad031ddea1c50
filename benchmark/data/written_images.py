"""The images of a data set as files that can be read back: by their names, or by a table."""

from __future__ import annotations

import csv
from pathlib import Path

from benchmark.core.errors import DataError
from benchmark.data.dataset import Dataset
from benchmark.data.image_label import ImageLabel, market_label
from benchmark.data.label_table import NEEDED, OPTIONAL
from benchmark.data.layout import FOLDERS, parse_name

TABLE = "labels.csv"


def write_images(dataset: Dataset, folder: Path) -> None:
    """Write all images of a data set.

    Names that say everything, as those of Market-1501 do, go into its three folders. Others go
    into ``images``, with a table that the data set `folder` reads.
    """
    labels = [label for split in dataset.present() for label in dataset.labels(split)]
    if all(map(_says_everything, labels)):
        for split in dataset.present():
            for name, data in dataset.files(split):
                _write(folder / FOLDERS[split] / name, data)
        return
    with (folder / TABLE).open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        columns = [name for name in NEEDED if name != "camid" or dataset.cameras]
        table.writerow([*columns, *OPTIONAL])
        for split in dataset.present():
            for (name, data), label in zip(
                dataset.files(split), dataset.labels(split), strict=True
            ):
                path = f"images/{split}/{name}"
                _write(folder / path, data)
                values = {
                    "path": path,
                    "pid": label.pid if label.is_person else 0,
                    "camid": label.camid,
                    "split": split,
                }
                flags = int(label.junk), int(label.distractor)
                table.writerow(
                    [*(values[column] for column in columns), label.sequence, label.frame, *flags]
                )


def _says_everything(label: ImageLabel) -> bool:
    try:
        return market_label(label.name, parse_name(label.name)) == label
    except DataError:
        return False


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
