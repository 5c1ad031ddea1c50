"""``--queries N``: a stable few of the queries, told apart from all of them everywhere."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmark.cli.app import exit_code
from benchmark.core.errors import UsageError
from benchmark.core.progress import SilentProgress
from benchmark.runner.choice import choose
from benchmark.runner.datasets import RunDatasets
from benchmark.runner.plan import make_plan
from benchmark.runner.preview import preview
from benchmark.runner.run import run_benchmark
from results.board.make_boards import make_boards
from results.records.store import load_per_query

ALL = 12
"""Queries of the tiny data sets, of six identities."""


def planned(config):
    choice = choose(config)
    datasets = RunDatasets(config, choice, SilentProgress())
    plan = make_plan(config, choice, datasets.manifests(), datasets.query_counts(choice.datasets))
    return plan, datasets


def kinds_that_differ(one, other):
    pairs = zip(one.cells, other.cells, strict=True)
    return {a.kind for a, b in pairs if a.fingerprint != b.fingerprint}


def test_what_ranks_queries_is_another_cell_and_the_training_is_not(tiny_config):
    options = {"attack": ["fna", "uap"], "evaluation": {"checks": True}}
    whole, _ = planned(tiny_config(**options))
    few, _ = planned(tiny_config(**options, queries=6))
    assert kinds_that_differ(whole, few) == {"clean", "attack", "probe"}
    assert whole.protocol != few.protocol
    fewer, _ = planned(tiny_config(**options, queries=5))
    assert kinds_that_differ(fewer, few) == {"clean", "attack", "probe"}
    assert fewer.protocol != few.protocol


@pytest.mark.parametrize("count", [ALL, 100])
def test_asking_for_all_is_asking_for_nothing_with_a_warning_if_there_are_fewer(
    tiny_config, caplog, count
):
    whole, _ = planned(tiny_config())
    asked, datasets = planned(tiny_config(queries=count))
    assert kinds_that_differ(whole, asked) == set()
    assert whole.protocol == asked.protocol
    assert len(datasets.split("tiny", "query")) == ALL
    told = [one.getMessage() for one in caplog.records]
    assert told == ([] if count == ALL else ["tiny has 12 queries, not 100: all are used"])


def test_where_the_number_of_queries_is_not_known_the_choice_counts(tiny_config):
    config = tiny_config(queries=100)
    plan = make_plan(config, choose(config), {"tiny": "a" * 64, "tiny-other": "b" * 64})
    assert plan.cells[1].content["queries"] == {"chosen": 100, "version": 1}


def test_queries_are_fewer_and_the_rest_is_whole(tiny_config):
    config = tiny_config(queries=6)
    datasets = RunDatasets(config, choose(config), SilentProgress())
    query = datasets.split("tiny", "query")
    assert sorted(query.pids.tolist()) == list(range(101, 107))
    assert [label.pid for label in datasets.labels("tiny", "query")] == query.pids.tolist()
    assert datasets.count("tiny", "query") == 6
    assert len(datasets.split("tiny", "gallery")) == datasets.count("tiny", "gallery") == 24
    assert len(datasets.split("tiny", "train")) == 72


def test_a_plan_foretells_less(tiny_config):
    def passes(**options):
        return sum(cell.seconds for cell in preview(tiny_config(**options)).cells)

    assert passes(queries=2) < passes()


def test_data_that_is_not_there_is_still_listed(tiny_config, tmp_path):
    options = {"dataset": "market1501", "data_root": tmp_path, "test_dataset": ["tiny"]}
    missing = preview(tiny_config(**options)).missing
    assert missing
    assert preview(tiny_config(**options, queries=4)).missing == missing


def test_the_outcome_of_a_query_is_that_of_a_run_of_all(tiny_config, tmp_path):
    """And the record, its board and its file of queries say which ones count."""
    options = {"attack": ["random-noise", "metric-pgd"], "test_dataset": ["tiny-other"]}
    whole = run_benchmark(tiny_config(**options), SilentProgress())
    few = run_benchmark(tiny_config(**options, queries=5), SilentProgress())
    ((all_record, all_path), (record, path)) = whole.records + few.records
    assert "queries" not in json.loads(all_path.read_text())["protocol"]
    assert record.protocol.queries.model_dump() == {"chosen": 5, "of": ALL}
    assert record.clean.queries == record.cross_dataset[0].clean.queries == 5
    assert record.training == all_record.training, "it was trained once"
    before, after = (
        load_per_query(folder.parent / one.per_query)
        for one, folder in ((all_record, all_path), (record, path))
    )
    rows = [list(before.queries).index(name) for name in after.queries]
    assert len(rows) == 5
    for key in after.ap:
        np.testing.assert_array_equal(after.ap[key], before.ap[key][rows], err_msg=key)
    titles = [board.title for board in make_boards([record, all_record])]
    assert len(titles) == 2
    assert [" · 5 of 12 queries · " in title for title in titles].count(True) == 1
    assert len(few.boards) == 2


@pytest.mark.parametrize("value", ["0", "-3", "many", "2.5"])
def test_a_wrong_number_is_two_lines(tiny_arguments, capfd, value):
    code = exit_code(["plan", "--defense", "tiny-defense", *tiny_arguments, "--queries", value])
    lines = capfd.readouterr().err.splitlines()
    assert code == 2
    assert len(lines) == 2
    assert f"queries = '{value}'" in lines[0]


def test_in_a_yaml_file(tiny_config):
    assert tiny_config("queries=7").queries == 7
    with pytest.raises(UsageError, match="queries = 0"):
        tiny_config(queries=0)


def test_all_commands_of_a_run_take_the_option(tiny_arguments, capfd):
    arguments = ["--defense", "tiny-defense", *tiny_arguments, "--queries", "4", "--json"]
    assert exit_code(["run", *arguments]) == 0
    (record,) = json.loads(capfd.readouterr().out)["records"]
    assert record["protocol"]["queries"] == {"chosen": 4, "of": ALL}
    assert exit_code(["experiment", "main", *arguments]) == 0
    assert json.loads(capfd.readouterr().out)["exit_code"] == 0
