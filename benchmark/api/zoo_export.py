"""Put trained encoders into the zoo: weights and a card for each record of finished runs.

For maintainers: ``python -m benchmark.api.zoo_export RUN_DIR … --records results/published/zoo
--published results/published/board``.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.api.loading import training_behind
from benchmark.core.errors import BenchmarkError, DataError
from benchmark.core.files import publish
from benchmark.core.fingerprint import sha256_file
from benchmark.core.own_packages import ROOT
from benchmark.models.checkpoint import WEIGHTS_FILE as TRAINED_WEIGHTS
from benchmark.models.zoo import ZOO
from benchmark.models.zoo_card import CARD_FILE, WEIGHTS_FILE, ZooCard
from results.board.boards import Row
from results.board.make_boards import make_boards
from results.board.record_metrics import clean_map, row_values, worst_map
from results.errors import RecordError
from results.records.schema import Record
from results.records.store import read_records
from results.statistics.bootstrap import mean_std

LICENCE = "Apache-2.0"
"""Of the weights: they were trained by this project's code on data that it renders."""


def slug_of(label: str) -> str:
    """Return the name of an entry by the label of its row: ``goat-trained-at-8-255``."""
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")


def export(
    runs: Sequence[Path], records: Iterable[Record], published: Iterable[Record], output: Path
) -> list[Path]:
    """Write the entries of some records; return their folders.

    Args:
        runs: Output folders of the runs that trained them.
        records: One for each entry.
        published: Records of the published board, which tell its rows' figures.
        output: Folder of the zoo.

    Raises:
        DataError: A training is in none of the runs, or two records have one name.
    """
    rows = {row.label: row for board in make_boards(published) for row in board.rows}
    cards: dict[str, ZooCard] = {}
    for record in records:
        folder, content = _training(record, runs)
        label = record.label or record.defense.name
        if slug_of(label) in cards:
            raise DataError(f"two records are called {label!r}", "give the records of one protocol")
        card = _card(label, record, folder, content, rows.get(label))
        cards[card.slug] = card
        target = output / card.slug
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / TRAINED_WEIGHTS, target / WEIGHTS_FILE)
        text = json.dumps(card.model_dump(mode="json"), indent=1, ensure_ascii=False)
        publish(target / CARD_FILE, f"{text}\n".encode())
    return [output / slug for slug in cards]


def _training(record: Record, runs: Sequence[Path]) -> tuple[Path, Mapping[str, Any]]:
    for run in runs:
        if (found := training_behind(record, run / "cells")) is not None:
            return found
    raise DataError(
        f"the training behind the record {record.id[:8]} ({record.defense.name}) is not in "
        f"{', '.join(map(str, runs))}",
        "give the output folder of its run",
    )


def _card(
    label: str, record: Record, folder: Path, content: Mapping[str, Any], row: Row | None
) -> ZooCard:
    if record.worst_case is None:
        raise DataError(f"{label!r} was not attacked", "export a record with a worst case")
    weights = folder / TRAINED_WEIGHTS
    return ZooCard.model_validate(
        {
            "slug": slug_of(label),
            "label": label,
            "defense": {
                "name": record.defense.name,
                "config": record.defense.config,
                "behaviour": record.defense.behaviour,
            },
            "backbone": content["backbone"]["config"],
            "image_size": record.image_size,
            "seed": record.seed,
            "training": content.get("training", {}),
            "dataset": content["dataset"],
            "bases": {
                name: sha256_file(folder.parent / fingerprint / TRAINED_WEIGHTS)
                for name, fingerprint in content["prerequisites"].items()
            },
            "weights": {"sha256": sha256_file(weights), "bytes": weights.stat().st_size},
            "licence": LICENCE,
            "measured": {
                "record": record.id,
                "protocol": record.protocol.fingerprint,
                "attacks": record.worst_case.attacks,
                "clean_map": record.clean.map,
                "worst_map": record.worst_case.map,
            },
            "published": None if row is None else _published(row),
            "environment": record.environment.model_dump(mode="json"),
        }
    )


def _published(row: Row) -> dict[str, object]:
    clean, worst = (row_values(row.records, read) for read in (clean_map, worst_map))
    assert clean is not None
    assert worst is not None
    return {
        "label": row.label,
        "seeds": row.seeds,
        "protocol": row.records[0].protocol.fingerprint,
        "clean_map": mean_std(clean)[0],
        "worst_map": mean_std(worst)[0],
        "records": [record.id for record in row.records],
    }


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, help="output folders of the runs")
    parser.add_argument("--records", type=Path, help="default: all records of the runs")
    parser.add_argument("--published", type=Path, help="records of the published board")
    parser.add_argument("--output", type=Path, default=ROOT / "results" / ZOO)
    options = parser.parse_args()
    try:
        records = read_records([options.records] if options.records else options.runs)
        published = read_records([options.published] if options.published else [])
        for folder in export(options.runs, records, published, options.output):
            sys.stdout.write(f"wrote {folder}\n")
    except (BenchmarkError, RecordError) as error:
        sys.stderr.write(f"error: {error}\n  → {error.hint}\n")
        return getattr(error, "exit_code", 3)
    return 0


if __name__ == "__main__":
    sys.exit(main())
