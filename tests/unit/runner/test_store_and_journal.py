"""Cells are published whole; the journal survives a torn line; errors name who is to blame."""

from __future__ import annotations

import errno
import json

import numpy as np
import pytest

from benchmark.core.errors import EnvironmentProblem, PluginError
from benchmark.core.files import is_disk_full
from benchmark.runner.cells.cell import Cell
from benchmark.runner.error_translation import machine_problem, machine_problems
from benchmark.runner.journal import Journal
from benchmark.runner.store import CellStore, save_arrays
from results.statistics.identity_variance import per_identity_variance
from tests.tiny_cell import tiny_cell


@pytest.fixture
def cell() -> Cell:
    return tiny_cell("clean")


def write(folder):
    save_arrays(folder, ap=np.arange(3.0))
    return {"map": 12.5}


def test_a_published_cell_is_found_with_its_figures_and_arrays(tmp_path, cell):
    store = CellStore(tmp_path / "cells")
    assert store.find(cell.fingerprint) is None
    store.publish(cell, write)
    found = store.get(cell.fingerprint)
    assert found.outcome == {"map": 12.5}
    assert found.arrays()["ap"].tolist() == [0, 1, 2]
    card = json.loads((found.folder / "cell.json").read_text())
    assert card["content"] == cell.content


def test_a_failed_publication_leaves_nothing_and_keeps_the_old_cell(tmp_path, cell):
    store = CellStore(tmp_path)
    store.publish(cell, write)

    def fail(folder):
        write(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.publish(cell, fail)
    assert store.find(cell.fingerprint) is not None
    assert [path.name for path in tmp_path.iterdir()] == [cell.fingerprint]


@pytest.mark.parametrize("damage", ["arrays.npz", "cell.json"])
def test_a_damaged_cell_counts_as_not_finished(tmp_path, cell, damage):
    store = CellStore(tmp_path)
    folder = store.publish(cell, write).folder
    (folder / damage).write_text("")
    assert store.find(cell.fingerprint) is None
    (folder / damage).unlink()
    assert store.find(cell.fingerprint) is None


def test_the_journal_survives_a_torn_last_line(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    assert journal.read() == []
    journal.write("started", "a")
    with journal.path.open("a") as stream:
        stream.write('{"time": "2024", "event": "fini')
    journal.write("finished", "b", seconds=1.5)
    assert [(e["event"], e["cell"]) for e in journal.read()] == [
        ("started", "a"),
        ("finished", "b"),
    ]
    assert journal.read()[1]["seconds"] == 1.5


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no space left"),
        (OSError(errno.EDQUOT, "Quota"), "no space left"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "no space left"),
        (OSError(errno.EROFS, "Read-only file system"), "cannot write"),
        (MemoryError("x"), "out of memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "out of memory"),
    ],
)
def test_the_machine_is_named_when_it_refuses(tmp_path, error, told):
    with pytest.raises(EnvironmentProblem) as caught, machine_problems(tmp_path):
        raise error
    assert told in caught.value.what


def test_the_cpu_is_offered_to_a_gpu_without_memory_alone(tmp_path):
    hints = []
    for error in (MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")):
        problem = machine_problem(error, tmp_path)
        assert problem is not None
        hints.append("--device cpu" in problem.hint)
    assert hints == [False, True]


def test_the_machine_is_found_behind_the_error_of_a_plugin(tmp_path):
    error = PluginError("defense 'x' raised OSError")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert is_disk_full(error)
    assert machine_problem(error, tmp_path) is not None
    assert machine_problem(ValueError("no"), tmp_path) is None


def test_variance_over_identities_leaves_out_queries_that_do_not_count():
    ap = np.array([0.2, 0.4, np.nan, 0.9])
    pids = np.array([1, 1, 1, 2])
    assert per_identity_variance(ap, pids) == pytest.approx(np.var([30.0, 90.0]))
