"""``evaluation.rerank``: clean and attacked rankings are re-ranked, on boards of their own."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmark.core.errors import UsageError
from benchmark.core.progress import SilentProgress
from benchmark.runner.run import run_benchmark
from results.board.make_boards import make_boards
from results.records.store import load_per_query

OPTIONS = {"attack": ["random-noise", "metric-fgsm"]}


def test_a_run_is_reranked_and_says_so(tiny_config):
    def run(*assignments):
        outcome = run_benchmark(tiny_config(*assignments, **OPTIONS), SilentProgress())
        ((record, path),) = outcome.records
        return record, path, load_per_query(path.parent / record.per_query)

    plain, path, before = run()
    assert "rerank" not in json.loads(path.read_text())["protocol"]
    _, _, same = run("evaluation.rerank={k1: 4, original_weight: 1}")
    for key in before.ap:  # the original distance alone, whatever it is scaled by
        np.testing.assert_allclose(same.ap[key], before.ap[key], atol=1e-6, err_msg=key)
    record, path, after = run("evaluation.rerank={k1: 4, k2: 2}")
    assert json.loads(path.read_text())["protocol"]["rerank"] == {
        "k1": 4,
        "k2": 2,
        "original_weight": 0.3,
    }
    assert all((after.ap[key] != before.ap[key]).any() for key in before.ap)
    titles = [board.title for board in make_boards([plain, record])]
    assert [" · re-ranked (k1 4, k2 2, λ 0.3) · " in title for title in titles].count(True) == 1
    assert len(titles) == 2


def test_wrong_values_are_one_line(tiny_config):
    with pytest.raises(UsageError, match=r"evaluation.rerank.k1 = 0"):
        tiny_config("evaluation.rerank.k1=0")
    with pytest.raises(UsageError, match=r"unknown key 'evaluation.rerank.lambda'"):
        tiny_config("evaluation.rerank.lambda=0.3")
