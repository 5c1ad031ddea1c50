"""Titles of progress bars give way to the figures."""

from __future__ import annotations

from benchmark.core.progress import shortened


def test_a_long_title_is_cut_to_its_room() -> None:
    assert shortened("none · seed 0", 13) == "none · seed 0"
    assert shortened("none · seed 0", 10) == "none · se…"
