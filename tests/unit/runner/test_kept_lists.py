"""Runs keep ranked lists beside the record: pictures of rendered people, rows of real ones."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from benchmark.core.progress import SilentProgress
from benchmark.core.registry import DATASETS
from benchmark.runner.run import run_benchmark
from results.records.ranked_lists import load_ranked_lists


@pytest.mark.parametrize("rendered", [True, False])
def test_pictures_are_kept_of_rendered_people_alone(rendered, tiny_config, monkeypatch):
    config = tiny_config(eps=[4, 8], seed=[0])
    monkeypatch.setattr(DATASETS.get("tiny"), "rendered", rendered)
    outcome = run_benchmark(config, SilentProgress())
    ((record, path),) = outcome.records
    lists = load_ranked_lists(path)
    assert lists.attack in record.worst_case.attacks
    assert len(lists.rows) == len(set(lists.rows.tolist())) > 0
    kinds = {name.split("/")[0] for name in lists.pictures}
    assert kinds == ({"query", "attacked", "gallery"} if rendered else set())
    if not rendered:
        return
    row = lists.rows[0]
    clean, attacked = (
        np.asarray(Image.open(io.BytesIO(lists.pictures[f"{kind}/{row}"])), np.int64)
        for kind in ("query", "attacked")
    )
    assert clean.shape == (16, 8, 3)
    assert 0 < np.abs(clean - attacked).max() <= 8
    shown = {int(name.split("/")[1]) for name in lists.pictures if name.startswith("gallery/")}
    assert shown == {row for row in (*lists.clean.ravel(), *lists.attacked.ravel()) if row >= 0}


def test_a_run_over_cells_from_before_lists_were_kept_writes_none(tiny_config, monkeypatch):
    config = tiny_config()
    ((_, path),) = run_benchmark(config, SilentProgress()).records
    (kept,) = path.parent.glob("*.ranked_lists.npz")
    kept.unlink()
    monkeypatch.setattr("benchmark.runner.ranked_lists.LISTED", ("of another version",))
    run_benchmark(config, SilentProgress())
    assert load_ranked_lists(path) is None
