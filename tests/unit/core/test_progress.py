"""Titles of progress bars give way to the figures."""

from __future__ import annotations

import io
import sys
import types

import pytest

from benchmark.core.progress import PlainProgress, shortened
from benchmark.core.progress_choice import make_progress


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


def test_a_notebook_draws_a_bar_and_says_how_it_ended(monkeypatch):
    drawn = []

    class Shown:
        def update(self, html):
            drawn.append(html)

    fake = types.ModuleType("IPython.display")
    fake.HTML = lambda text: text
    fake.display = lambda html, display_id: drawn.append(html) or Shown()
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setitem(sys.modules, "IPython.display", fake)
    monkeypatch.setattr("benchmark.core.notebook_progress._REDRAW_SECONDS", 0)
    progress = make_progress()
    with progress.task("attack <fna>", 4) as bar:
        bar.advance(1, "pass 1")
        bar.advance(3)
    assert drawn[0] == "attack &lt;fna&gt;"
    assert "value='1'" in drawn[1]
    assert "pass 1" in drawn[1]
    assert "4/4" in drawn[-1]
    assert drawn[-1].endswith("done")
    with pytest.raises(KeyboardInterrupt), progress.task("attack", 4) as bar:
        raise KeyboardInterrupt
    assert drawn[-1].endswith("stopped")
