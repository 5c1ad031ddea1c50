"""Writing a data set to disk, with its card and a contact sheet."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.core.errors import EnvironmentProblem, UsageError
from benchmark.core.files import disk_errors
from benchmark.core.image_set import ImageSet
from benchmark.core.progress import Progress
from benchmark.data.contact_sheet import contact_sheet
from benchmark.data.dataset import Dataset
from benchmark.data.written_images import write_images

CARD = "card.json"
SHEET_ROWS, SHEET_COLUMNS = 8, 8


def card_markdown(card: dict[str, Any]) -> str:
    """Write a card as Markdown."""
    lines = [
        f"# {card['title']}",
        "",
        card["description"],
        "",
        f"**What it is not.** {card['not']}",
    ]
    statistics = card["statistics"]
    lines += ["", f"**Licence.** {card['licence']}", "", "| | " + " | ".join(statistics) + " |"]
    lines += ["|---|" + "---:|" * len(statistics)]
    for key in ("images", "identities", "cameras", "distractors", "junk"):
        lines.append(f"| {key} | " + " | ".join(str(statistics[s][key]) for s in statistics) + " |")
    for key in ("min", "q25", "q50", "mean", "q75", "q90", "max"):
        row = [f"{statistics[s].get('images_per_identity', {}).get(key, 0):g}" for s in statistics]
        lines.append(f"| images per identity, {key} | " + " | ".join(row) + " |")
    key = "share_of_identities_mostly_from_one_camera"
    row = [f"{100 * statistics[s].get(key, 0):.0f} %" for s in statistics]
    lines.append("| identities mostly from one camera | " + " | ".join(row) + " |")
    size = "x".join(map(str, card["image_size"]))
    lines += ["", f"Image size (H x W): {size}. Manifest: `{card['manifest_sha256']}`.", ""]
    if "generation" in card:
        lines += ["Parameters of the generation:", "", "```json"]
        lines += [json.dumps({**card["config"], **card["generation"]}, indent=2), "```", ""]
    lines += ["![contact sheet](contact_sheet.png)", ""]
    return "\n".join(lines)


def _spread(images: ImageSet, rows: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
    """Choose pictures from as many cameras as there are, cameras in turn."""
    cameras: dict[int, list[int]] = defaultdict(list)
    for row in rows.tolist():
        cameras[int(images.camids[row])].append(row)
    chosen: list[int] = []
    turn = 0
    while len(chosen) < min(SHEET_COLUMNS, len(rows)):
        for camid in sorted(cameras):
            if turn < len(cameras[camid]):
                chosen.append(cameras[camid][turn])
        turn += 1
    return list(images.pixels(np.array(chosen[:SHEET_COLUMNS], np.int64)))


def dataset_sheet(dataset: Dataset, scale: int | None = None) -> Image.Image:
    """Return a contact sheet: a row an identity by camera, then distractors and junk."""
    scale = scale or max(1, round(192 / dataset.image_size[0]))
    present = dataset.present()
    train = dataset.split("train" if "train" in present else "gallery")
    known, counts = np.unique(train.pids[train.people], return_counts=True)
    chosen = known[counts >= min(SHEET_COLUMNS, int(counts.max()))][:SHEET_ROWS]
    rows = [_spread(train, np.flatnonzero(train.people & (train.pids == pid))) for pid in chosen]
    labels = [f"{pid:04d}" for pid in chosen]
    if "gallery" not in present:
        return contact_sheet(rows, labels, scale)
    gallery = dataset.split("gallery")
    for flag, label in ((gallery.distractor, "distractors"), (gallery.junk, "junk")):
        found = np.flatnonzero(flag)
        if len(found):
            rows.append(_spread(gallery, found))
            labels.append(label)
    return contact_sheet(rows, labels, scale)


def _check_target(output: Path, name: str, root: Path | None) -> None:
    if not output.exists():
        return
    if root is not None and root.resolve().is_relative_to(output.resolve()):
        raise UsageError(
            f"{output} holds the files that are to be read", "give another folder with --output"
        )
    if not output.is_dir():
        raise UsageError(f"{output} is a file", "give a folder with --output")
    if not any(output.iterdir()):
        return
    try:
        mine = json.loads((output / CARD).read_text(encoding="utf-8"))["name"] == name
    except (OSError, ValueError, KeyError, TypeError):
        mine = False
    if not mine:
        raise UsageError(
            f"{output} is not empty and does not hold {name}",
            "give an empty or new folder with --output",
        )


def make_dataset(dataset: Dataset, output: Path, progress: Progress) -> Path:
    """Write `dataset` to `output`, all of it or nothing.

    Args:
        dataset: What to write.
        output: A new or empty folder, or one that holds an earlier copy of the same data set,
            which is replaced.
        progress: Reporter of long work.

    Returns:
        The folder.

    Raises:
        UsageError: `output` holds something else.
        EnvironmentProblem: The disk refuses.
    """
    output = output.absolute()
    _check_target(output, dataset.name, dataset.root)
    with disk_errors(output.parent):
        output.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
        draft.chmod(0o755)
        try:
            write_images(dataset, draft)
            card = dataset.card()
            with progress.task(f"card and contact sheet of {dataset.name}", 1) as bar:
                dataset_sheet(dataset).save(draft / "contact_sheet.png")
                (draft / "card.md").write_text(card_markdown(card), encoding="utf-8")
                text = json.dumps(card, indent=2, ensure_ascii=False)
                (draft / CARD).write_text(text + "\n", encoding="utf-8")
                bar.advance()
            _swap(draft, output)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    return output


def _swap(draft: Path, output: Path) -> None:
    """Put `draft` in the place of `output`, which is empty or an earlier copy."""
    old = Path(tempfile.mkdtemp(prefix=f".{output.name}.old.", dir=output.parent))
    try:
        if output.exists():
            output.replace(old)
        draft.replace(output)
    except OSError as error:
        if not output.exists() and any(old.iterdir()):
            old.replace(output)
        raise EnvironmentProblem(
            f"cannot put the data in {output}: {error.strerror}",
            "close what uses the folder, or give another one with --output",
        ) from error
    finally:
        shutil.rmtree(old, ignore_errors=True)
