"""Records as they stand on another data set than the one that was trained on."""

from __future__ import annotations

import numpy as np
import pytest

from results.board.make_boards import make_boards
from results.errors import RecordError
from results.records.query_outcomes import read_measured
from results.records.store import PerQuery, write_record


def of_queries(pids: list[int], ap: float) -> PerQuery:
    ids = np.array(pids)
    values = {key: np.full(len(ids), ap) for key in ("clean", "sma@8", "fna@8")}
    ranks = {key: np.ones(len(ids), dtype=np.int64) for key in values}
    return PerQuery(ids.astype(str), ids, np.ones_like(ids), values, ranks)


@pytest.fixture
def folder(tmp_path, make_record):
    outcomes = {
        "synthped-plaza": of_queries([1, 2, 3], 0.5),
        "synthped-campus": of_queries([7, 8], 0.25),
    }
    write_record(make_record(cross=True), tmp_path, outcomes)
    write_record(make_record("none"), tmp_path, outcomes)
    return tmp_path


def test_a_record_stands_with_the_figures_and_queries_of_the_other_data_set(folder):
    (record,), measured = read_measured([folder], "synthped-campus")
    assert record.dataset == "synthped-plaza → synthped-campus"
    assert record.clean.map == 20.1
    assert [attack.map for attack in record.attacks] == [9.0, 5.5]
    assert record.bias is None
    assert not record.worst_by_eps
    assert measured[record.id].pids.tolist() == [7, 8]
    (board,) = make_boards([record], measured)
    assert board.title.startswith("synthped-plaza → synthped-campus")
    assert board.slug.startswith("synthped-plaza-synthped-campus-")


def test_without_a_data_set_records_stand_where_they_were_trained(folder):
    records, measured = read_measured([folder])
    assert {record.dataset for record in records} == {"synthped-plaza"}
    assert all(measured[record.id].pids.tolist() == [1, 2, 3] for record in records)


def test_an_unknown_data_set_is_told_with_those_that_there_are(folder):
    with pytest.raises(RecordError, match="no record was tested on 'x'") as told:
        read_measured([folder], "x")
    assert told.value.hint == "choose among synthped-campus"
