from __future__ import annotations

import numpy as np
import pytest

from benchmark.data.contact_sheet import GAP, HEADER, LABEL_WIDTH, PAPER, contact_sheet


def picture(value: int) -> np.ndarray:
    return np.full((6, 3, 3), value, np.uint8)


def test_pictures_are_enlarged_and_placed() -> None:
    sheet = contact_sheet([[picture(10), picture(20)], [picture(30)]], ["a", "b"], scale=3)
    assert sheet.size == (LABEL_WIDTH + 2 * (9 + GAP) + GAP, 2 * (18 + GAP) + GAP)
    pixels = np.asarray(sheet)
    left, top = LABEL_WIDTH + GAP, GAP
    assert (pixels[top : top + 18, left : left + 9] == 10).all()
    assert (pixels[top : top + 18, left + 9 + GAP : left + 18 + GAP] == 20).all()
    assert (pixels[top + 18 + GAP : top + 36 + GAP, left : left + 9] == 30).all()


def test_headings_stand_above_the_columns() -> None:
    rows = [[picture(10), picture(20)]]
    plain = np.asarray(contact_sheet(rows, scale=9))
    headed = np.asarray(contact_sheet(rows, scale=9, headings=["a", "b"]))
    assert (headed[HEADER:] == plain).all()
    width = 27 + GAP
    for j in range(2):
        column = headed[:HEADER, GAP + j * width : GAP + (j + 1) * width]
        assert (column != PAPER).any()


def test_nothing_to_show_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([[]])
    with pytest.raises(ValueError, match="labels"):
        contact_sheet([[picture(1)]], ["a", "b"])
