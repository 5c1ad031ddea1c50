"""The certificate as an experiment: which images count, what it refuses, what it reports."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.core.errors import DataError
from benchmark.core.image_set import ImageSet
from benchmark.experiments.certificate.certificate import chosen_rows, matches_and_others

QUICK = {"queries": 5, "selection": 20, "draws": 300}


def image_set(pids: list[int], camids: list[int]) -> ImageSet:
    names = tuple(f"{pid:04d}_c{camid}" for pid, camid in zip(pids, camids, strict=True))
    pixels, known = np.zeros((len(pids), 2, 2, 3), np.uint8), np.array(pids)
    flags = {"junk": known < 0, "distractor": known == 0}
    return ImageSet(pixels, known, np.array(camids), names, **flags)


def test_own_camera_and_junk_are_on_no_side():
    gallery = image_set([1, 1, 2, 0, -1, 2], [1, 2, 1, 3, 2, 2])
    right, wrong = matches_and_others(image_set([1], [1]), 0, gallery)
    assert right.tolist() == [1]
    assert wrong.tolist() == [2, 3, 5]


def test_queries_without_a_match_are_not_certified():
    gallery = image_set([1, 2, 3], [2, 2, 1])
    query = image_set([1, 2, 3, 4], [1, 1, 1, 1])
    assert chosen_rows(query, gallery, 9).tolist() == [0, 1]
    assert chosen_rows(query, gallery, 1).tolist() == [0]
    with pytest.raises(DataError, match="no query has a match"):
        chosen_rows(query.subset([2, 3]), gallery, 9)


def test_it_certifies_smoothed_encoders_and_remembers(run_tiny, monkeypatch):
    settings = ("defense_config.smoothing.sigma=0.5",)
    found = run_tiny("certificate", QUICK, *settings, defense=["smoothing"]).findings
    ((label, one),) = found.result.items()
    assert label == "smoothing seed 0"
    assert (one["sigma"], one["queries"], len(one["radii"])) == (0.5, 5, 5)
    certified = list(one["certified"].values())
    assert certified == sorted(certified, reverse=True)
    assert 0 <= certified[0] <= one["rank1"] <= 100
    assert one["largest_radius"] == max(one["radii"])
    assert "L2 norm 0.61" in found.tables[0].note  # 8/255 sqrt(3 * 16 * 8)
    monkeypatch.delattr("benchmark.experiments.certificate.certificate.noisy_embeddings")
    again = run_tiny("certificate", QUICK, *settings, defense=["smoothing"]).findings
    assert again.result == found.result


def test_an_encoder_that_is_not_smoothed_is_told(run_tiny):
    outcome = run_tiny("certificate", QUICK, defense=["none"])
    assert outcome.findings.result == {}
    (failure,) = outcome.failures
    assert "is not smoothed" in str(failure.error)
