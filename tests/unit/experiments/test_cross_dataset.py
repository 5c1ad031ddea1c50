"""Every direction between the data sets of a run, with figures that the records confirm."""

from __future__ import annotations

import pytest

from benchmark.core.errors import UsageError
from benchmark.experiments import compared_rows
from benchmark.experiments.cross_dataset.cross_dataset import PAPER_RATIOS
from benchmark.experiments.findings import MISSING
from results.records.store import read_records

SMALL = {"defense": ["tiny-defense", "none"], "attack": ["metric-fgsm", "tiny-attack"]}
OWN = {"ours": "tiny-defense", "baseline": "none"}


def test_both_directions_are_those_of_the_records(run_tiny, tmp_path):
    done = run_tiny("cross-dataset", OWN, test_dataset=["tiny-other"], **SMALL)
    directions = done.document["result"]["directions"]
    assert [(one["from"], one["to"]) for one in directions] == [
        ("tiny", "tiny-other"),
        ("tiny-other", "tiny"),
    ]
    records = read_records([tmp_path / "out" / "experiments" / "cross-dataset"])
    assert len(records) == 4
    for direction in directions:
        clean = {}
        for row in direction["rows"]:
            (record,) = (r for r in records if r.id == row["records"][0])
            assert record.dataset == direction["from"]
            (other,) = record.cross_dataset
            assert other.dataset == direction["to"]
            figures = row["figures"][direction["to"]]
            assert figures["clean"]["map"]["mean"] == pytest.approx(other.clean.map)
            assert figures["worst"]["map"]["mean"] == pytest.approx(other.worst_case.map)
            for attack in other.attacks:
                assert figures[attack.key]["rank1"]["mean"] == pytest.approx(attack.rank1)
            clean[row["label"]] = other.clean.map
        ratio = direction["ratio"]["attacks"]["clean"]
        assert ratio["ratio"] == pytest.approx(clean["tiny-defense"] / clean["none"])
        assert ratio["gain"]["mean"] == pytest.approx(clean["tiny-defense"] - clean["none"])
    assert "tiny-other → tiny" in done.files[0].read_text()


def test_the_ratios_of_the_paper_stand_beside_its_pair_and_its_direction_alone(
    run_tiny, monkeypatch
):
    monkeypatch.setattr(compared_rows, "PAPER_PAIR", ("tiny-defense", "none"))
    done = run_tiny("cross-dataset", OWN, test_dataset=["tiny-other"], **SMALL)
    there, back = [t for t in done.findings.tables if t.title.startswith("mAP of tiny-defense")]
    papers = [[cells[1].text for _, cells in table.rows] for table in (there, back)]
    assert papers[0][0] == f"{PAPER_RATIOS['clean']:.2f}"
    assert set(papers[1]) == {MISSING}
    monkeypatch.setattr(compared_rows, "PAPER_PAIR", ("ddid", "metric-at"))
    done = run_tiny("cross-dataset", OWN, test_dataset=["tiny-other"], **SMALL)
    there, _ = [t for t in done.findings.tables if t.title.startswith("mAP of tiny-defense")]
    assert {cells[1].text for _, cells in there.rows} == {MISSING}


def test_one_data_set_is_not_enough(run_tiny):
    with pytest.raises(UsageError, match="no other data set"):
        run_tiny("cross-dataset", OWN, test_dataset=["none"], **SMALL)


def test_the_ratios_of_the_paper_are_those_of_its_figures():
    ours = {"clean": 19.07, "fna@8": 6.17, "sma@8": 13.02, "metric-ifgsm@8": 7.92}
    baseline = {"clean": 16.51, "fna@8": 4.47, "sma@8": 10.77, "metric-ifgsm@8": 5.78}
    assert {k: round(ours[k] / baseline[k], 2) for k in ours} == PAPER_RATIOS
