from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.core.errors import DataError
from benchmark.data.layout import PATTERN, ImageName, list_images, parse_name


@given(
    st.builds(
        ImageName,
        pid=st.integers(-1, 12_000),
        camid=st.integers(1, 15),
        sequence=st.integers(1, 9),
        frame=st.integers(0, 999_999),
        box=st.integers(0, 99),
    )
)
def test_a_name_reads_back_as_it_was_written(name: ImageName) -> None:
    assert parse_name(f"{name.stem()}.jpg") == name


@pytest.mark.parametrize(
    ("text", "pid", "camid"),
    [
        ("0002_c1s1_000451_03.jpg", 2, 1),
        ("-1_c3s2_004000_00.jpg", -1, 3),
        ("0000_c6s3_089942_05.png", 0, 6),
        ("1501_c6s4_001902_01.JPG", 1501, 6),
        ("0002_c1s1_000451_03.jpg.jpg", 2, 1),
    ],
)
def test_official_names_are_read(text: str, pid: int, camid: int) -> None:
    label = parse_name(text)
    assert (label.pid, label.camid) == (pid, camid)


@pytest.mark.parametrize("text", ["person.jpg", "0002_c1_000451.jpg", "-2_c1s1_1_1.jpg", "2.png"])
def test_other_names_are_refused_with_the_pattern(text: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_name(text)
    assert text in caught.value.what
    assert PATTERN in caught.value.what
    assert caught.value.mend


def test_listing_leaves_other_files_alone(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg", "Thumbs.db", "readme.txt", ".hidden.jpg"):
        (tmp_path / name).touch()
    assert list_images(tmp_path) == ("a.jpg", "b.png")
