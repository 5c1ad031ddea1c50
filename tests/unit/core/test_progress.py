"""Titles of progress bars give way to the figures."""

from __future__ import annotations

import io

from benchmark.core.progress import PlainProgress, shortened


def test_a_long_title_is_cut_to_its_room() -> None:
    assert shortened("none · seed 0", 13) == "none · seed 0"
    assert shortened("none · seed 0", 10) == "none · se…"


def test_a_long_first_step_gives_a_sign_of_life_without_a_guess_of_its_end() -> None:
    stream = io.StringIO()
    with PlainProgress(stream, every_seconds=0).task("probe", 10) as bar:
        bar.advance(0, "pass 1")
        bar.advance(5)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "probe: 0/10  0 s  pass 1"
    assert lines[1] == "probe: 5/10  0 s, 0 s to go"
    assert lines[2].startswith("probe: done in")
