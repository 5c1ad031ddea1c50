"""The sheet of a balancing says over its columns what they show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from benchmark.core.image_set import ImageSet
from benchmark.data.contact_sheet import GAP, HEADER, LABEL_WIDTH, PAPER
from defenses.ddid.balance_report import Attempt, draw_sheet
from defenses.ddid.synthesis import Slot


def test_each_group_of_columns_has_a_title(tmp_path: Path) -> None:
    train = ImageSet(
        np.full((2, 32, 16, 3), 60, np.uint8), np.array([1, 1]), np.array([1, 2]), ("a", "b")
    )
    attempts = []
    for i, shade in enumerate((120, 180)):
        slot = Slot(1, 1, "inter-identity", i)
        image = np.full((32, 16, 3), shade, np.uint8)
        attempts.append(Attempt(slot, image, i == 0, 0.5, 1, 0.1))
    draw_sheet(tmp_path / "sheet.png", train, attempts)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    for group, shade in enumerate((60, 120, 180)):
        left = LABEL_WIDTH + GAP + group * 6 * (32 + GAP)
        assert (sheet[HEADER + GAP :, left : left + 32][:64] == shade).all()
        assert (sheet[:HEADER, left : left + 32] != PAPER).any()
