from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.core.errors import DataError
from benchmark.data.folder_listing import list_folder
from benchmark.data.layout import PATTERN, SUFFIXES, ImageName, parse_name


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
    assert caught.value.hint


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".BMP", ".Tiff"])
def test_names_of_all_kinds_of_images_are_read(suffix: str) -> None:
    assert parse_name(f"0002_c1s1_000451_03{suffix}").pid == 2


@pytest.mark.parametrize("number", [10**18 - 1, 10**18, 2**64, 10**60])
def test_labels_fit_64_bits_or_are_refused(number: int) -> None:
    names = (f"{number}_c1s1_000451_03.jpg", f"0002_c{number}s1_000451_03.jpg")
    for name in names:
        if number < 10**18:
            label = parse_name(name)
            assert number in np.array([label.pid, label.camid], np.int64)
        else:
            with pytest.raises(DataError, match="64 bits") as caught:
                parse_name(name)
            assert name in caught.value.what
            assert "18 digits" in caught.value.hint


def test_listing_tells_images_from_harmless_files_and_from_others(tmp_path: Path) -> None:
    names = ("b.png", "a.jpg", "c.WEBP", "Thumbs.db", "readme.txt", ".hidden.jpg", "x.gif", "y")
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "more").mkdir()
    listing = list_folder(tmp_path)
    assert listing.images == ("a.jpg", "b.png", "c.WEBP")
    assert listing.unread == ("more", "x.gif", "y")


def test_a_folder_without_images_tells_what_it_holds(tmp_path: Path) -> None:
    for i in range(30):
        (tmp_path / f"{i:02d}.heic").touch()
    with pytest.raises(DataError, match="30 entries are not read") as caught:
        list_folder(tmp_path)
    assert caught.value.what.endswith("19.heic and 10 more")
    assert caught.value.hint


def test_a_folder_that_is_a_link_to_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "query").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match="link to nothing"):
        list_folder(tmp_path / "query")
