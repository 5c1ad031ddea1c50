"""One display for all workers: the bars of units, and one over all of them."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from benchmark.core.progress import PlainProgress, RichProgress
from benchmark.runner.executors.grid_progress import GridProgress
from benchmark.runner.executors.unit import Unit
from tests.tiny_cell import tiny_cell
from tests.unit.checks.test_signs_of_life import Heard

ONE, OTHER = Unit(tiny_cell("one")), Unit(tiny_cell("other"))


def test_the_bar_over_all_goes_by_time_and_learns_from_what_is_finished():
    heard, times = Heard(), iter([0, 0, 15, 15, 60, 60, 60, 60, 60, 70, 70, 80, 80])
    grid = GridProgress(heard, clock=lambda: next(times))
    with grid.over({ONE.key: 30.0, OTHER.key: 10.0}, 2):
        with grid.of(ONE).task("one", 4) as bar:
            bar.advance(2, "loss 1")  # at 0
        with grid.of(ONE).task("one, another bar", 4) as bar:
            bar.advance(1)  # at 15 of 30 seconds
        grid.finish(ONE.key)  # it took 60
        with grid.of(OTHER).task("other", 2) as bar:
            bar.advance(1)  # begins at 60
            bar.advance(1)  # at 70: 10 of 20 seconds, as all takes twice as long
        grid.finish(OTHER.key)
    assert heard.titles[:2] == ["all 2 cells by 2 workers, in thousandths", "one"]
    assert heard.totals[0] == 1000
    assert heard.steps == [2, 0, 1, 375, 375, 1, 0, 1, 125, 125]
    assert [note for note in heard.notes if "done" in note][-1] == "2 cells done"


def test_a_single_cell_has_its_own_bar_alone():
    heard = Heard()
    grid = GridProgress(heard)
    with grid.over({ONE.key: 1.0}, 1), grid.of(ONE).task("one", 2) as bar:
        bar.advance(2)
    assert heard.titles == ["one"]


def test_plain_lines_tell_the_time_to_go_over_all():
    stream = io.StringIO()
    grid = GridProgress(PlainProgress(stream, every_seconds=0))
    with grid.over({ONE.key: 1.0, OTHER.key: 1.0}, 1), grid.of(ONE).task("one", 2) as bar:
        bar.advance(1)
    lines = stream.getvalue().splitlines()
    assert lines[1] == "all 2 cells, in thousandths: 0/1000  0 s  0 cells done"


def test_bars_that_are_open_at_once_share_one_display(monkeypatch: pytest.MonkeyPatch):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr("rich.console.Console", lambda **_: console)
    progress = RichProgress()
    with progress.task("all", 10) as whole:
        with progress.task("one", 2) as one, progress.task("two", 2) as two:
            one.advance(2, "loss 1")
            two.advance(1)
            whole.advance(5)
        with progress.task("three", 1) as three:
            three.advance()
        assert [task.description for task in progress._live.tasks] == ["all"]
    assert progress._live is None
    drawn = screen.getvalue()
    assert all(told in drawn for told in ("all", "one", "loss 1", "two", "three"))
