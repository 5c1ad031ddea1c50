"""A whole run on tiny data, in process: what is computed, what is reused, what is recorded."""

from __future__ import annotations

import errno
import json
import shutil

import numpy as np
import pytest
from filelock import FileLock

from benchmark.config.load import load_run_config
from benchmark.core.errors import EnvironmentProblem, UsageError
from benchmark.core.progress import SilentProgress
from benchmark.runner.cells.cell import Cell
from benchmark.runner.journal import Journal
from benchmark.runner.preview import preview
from benchmark.runner.run import run_benchmark
from results.board.make_boards import make_boards
from results.errors import RecordError
from results.records.retrieval import RaisedFlag
from results.records.schema import Record
from results.records.store import load_per_query, load_record


def run(config):
    return run_benchmark(config, SilentProgress())


def events(config, *kinds):
    return [e for e in Journal(config.output / "journal.jsonl").read() if e["event"] in kinds]


def timeless(record: Record) -> dict:
    """Return a record without what differs between two runs on one machine."""
    content = record.model_dump(mode="json", exclude={"per_query"})
    for key in ("seconds", "peak_memory_bytes", "images_per_second"):
        content["training"].pop(key, None)
    attacks = [content["attacks"], *(other["attacks"] for other in content["cross_dataset"])]
    for attack in (attack for group in attacks for attack in group):
        del attack["seconds"]
    return content


def test_a_run_writes_records_leaderboard_config_log_and_journal(tiny_config):
    config = tiny_config(test_dataset=["tiny-other"], eps=[4, 8])
    outcome = run(config)
    ((record, path),) = outcome.records
    assert load_record(path) == record
    assert path.name == f"tiny-defense--tiny--seed0--{record.id[:8]}.json"
    assert [f"{a.name}@{a.eps:g}" for a in record.attacks] == [
        *("random-noise@4", "metric-fgsm@4", "tiny-attack@4"),
        *("random-noise@8", "metric-fgsm@8", "tiny-attack@8"),
    ]
    assert record.cross_dataset[0].dataset == "tiny-other"
    (other,) = record.cross_dataset
    assert len(other.attacks) == 6
    for part in (record, other):
        outcomes = load_per_query(path.parent / part.per_query)
        for result in part.attacks:
            ap = outcomes.ap[f"{result.name}@{result.eps:g}"]
            assert 100 * np.nanmean(ap) == pytest.approx(result.map)
    for name in ("leaderboard.md", "leaderboard.csv", "config.yaml", "run.log", "journal.jsonl"):
        assert (config.output / name).stat().st_size > 0
    assert not list((config.output / "cells").glob(".*"))


def test_worst_case_is_per_query_at_one_budget_and_leaves_the_control_out(tiny_config):
    config = tiny_config(eps=[4, 8])
    ((record, path),) = run(config).records
    assert record.worst_case is not None
    assert record.worst_case.attacks == ["metric-fgsm@8", "tiny-attack@8"]
    per_query = load_per_query(path.parent / record.per_query)
    lowest = np.minimum(per_query.ap["metric-fgsm@8"], per_query.ap["tiny-attack@8"])
    assert record.worst_case.map == pytest.approx(100 * lowest.mean())
    assert record.worst_case.map <= min(a.map for a in record.attacks if a.eps == 8)
    identities = np.unique(per_query.pids)
    means = [100 * per_query.ap["clean"][per_query.pids == pid].mean() for pid in identities]
    assert record.bias is not None
    assert record.bias.per_id_variance_clean == pytest.approx(np.var(means))


def test_nothing_finished_is_computed_twice_and_the_record_is_the_same(tiny_config):
    config = tiny_config()
    first = run(config)
    second = run(config)
    assert len(events(config, "finished")) == 5
    assert len(events(config, "reused")) == 5
    assert first.records == second.records


def test_only_what_a_change_touches_is_computed_again(tiny_config):
    run(tiny_config())
    config = tiny_config(eps=[8, 2])
    outcome = run(config)
    assert len(events(config, "finished")) == 8
    assert len(outcome.all_records) == 2
    run(tiny_config("evaluation.batch=5", eps=[8, 2]))
    assert len(events(config, "finished")) == 8


def test_fresh_computes_everything_again_with_the_same_result(tiny_config):
    first = run(tiny_config())
    config = tiny_config(fresh=True)
    second = run(config)
    assert len(events(config, "finished")) == 10
    assert timeless(first.records[0][0]) == timeless(second.records[0][0])


def test_results_do_not_depend_on_the_evaluation_batch(tiny_config, tmp_path):
    first = run(tiny_config("evaluation.batch=64", output=tmp_path / "a"))
    second = run(tiny_config("evaluation.batch=5", output=tmp_path / "b"))
    one, other = first.records[0][0], second.records[0][0]
    assert one.id == other.id
    assert [a.map for a in one.attacks] == pytest.approx([a.map for a in other.attacks], abs=0.5)


def test_a_damaged_cell_is_computed_again(tiny_config):
    config = tiny_config()
    first = run(config)
    cell = events(config, "finished")[-1]["cell"]
    (config.output / "cells" / cell / "arrays.npz").write_bytes(b"")
    second = run(config)
    assert [e["cell"] for e in events(config, "finished")[5:]] == [cell]
    assert timeless(first.records[0][0]) == timeless(second.records[0][0])


def test_a_prerequisite_is_trained_once_and_shared(tiny_config):
    config = tiny_config(defense=["tiny-follower", "tiny-defense"], attack=["tiny-attack"])
    outcome = run(config)
    labels = [event["label"] for event in events(config, "finished")]
    assert labels[:2] == [
        "tiny-defense · seed 0 · train tiny",
        "tiny-follower · seed 0 · train tiny",
    ]
    assert len(outcome.records) == 2


@pytest.mark.parametrize(
    ("how", "told"), [("raise", "KeyError: 'lost'"), ("leave", "SystemExit: 3")]
)
def test_a_broken_defense_does_not_stop_the_others(tiny_config, how, told):
    options = {"tiny-broken": {"how": how}}
    config = tiny_config(defense=["tiny-broken", "tiny-defense"], defense_config=options)
    outcome = run(config)
    assert [record.defense.name for record, _ in outcome.records] == ["tiny-defense"]
    ((failure),) = outcome.failures
    assert f"'tiny-broken' raised {told} (tiny.py, line" in failure.error.what
    assert failure.error.exit_code == 4
    assert "Traceback" in (config.output / "run.log").read_text()


@pytest.mark.parametrize(("how", "told"), [("nan", "is nan"), ("shape", "not a scalar loss")])
def test_a_defense_that_breaks_its_contract_is_told_how(tiny_config, how, told):
    outcome = run(tiny_config(f"defense.how={how}", defense=["tiny-broken"]))
    assert told in outcome.failures[0].error.what
    assert outcome.records == []


def test_an_attack_that_leaves_the_ball_voids_the_record_and_keeps_other_cells(tiny_config):
    config = tiny_config(attack=["tiny-broken-attack", "tiny-attack"])
    outcome = run(config)
    assert "left the ball" in outcome.failures[0].error.what
    assert outcome.records == []
    assert any("tiny-attack" in event["label"] for event in events(config, "finished"))
    assert len(run(tiny_config(attack=["tiny-attack"])).records) == 1
    assert len(events(config, "finished")) == 3


def test_two_runs_on_one_folder_are_refused(tiny_config):
    config = tiny_config()
    config.output.mkdir()
    with FileLock(config.output / ".lock"), pytest.raises(EnvironmentProblem) as caught:
        run(config)
    assert "another run is using" in caught.value.what
    assert caught.value.exit_code == 6


def test_an_output_that_cannot_be_written_is_refused_before_any_work(
    tiny_config, tmp_path, monkeypatch
):
    monkeypatch.setattr(Cell, "compute", lambda *_: pytest.fail("work was done"))
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match="cannot write to the output folder"):
        run(tiny_config(output=tmp_path / "file" / "out"))


@pytest.mark.parametrize("place", ["arrays", "rename"])
def test_a_full_disk_loses_nothing_that_is_finished(tiny_config, monkeypatch, place):
    config = tiny_config()
    calls = 0

    def full(*_args, **_options):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(*_args, **_options)

    if place == "arrays":
        original = np.savez
        monkeypatch.setattr(np, "savez", full)
    else:
        from pathlib import Path

        original = Path.rename
        monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(EnvironmentProblem) as caught:
        run(config)
    assert "no space left" in caught.value.what
    assert "what is finished is kept" in caught.value.hint
    assert not list((config.output / "cells").glob(".partial-*"))
    finished = len(events(config, "finished"))
    assert finished == (3 if place == "arrays" else 2)
    monkeypatch.undo()
    assert len(run(tiny_config()).records) == 1
    assert len(events(config, "finished")) == 5


def test_half_written_leftovers_are_removed(tiny_config):
    config = tiny_config()
    leftover = config.output / "cells" / ".partial-0123"
    leftover.mkdir(parents=True)
    run(config)
    assert not leftover.exists()


def test_several_runs_accumulate_in_one_leaderboard(tiny_config):
    run(tiny_config(seed=[0]))
    outcome = run(tiny_config(seed=[1]))
    assert sorted(record.seed for record in outcome.all_records) == [0, 1]
    assert len(outcome.records) == 1


def test_a_damaged_record_of_another_run_is_told_before_any_work(tiny_config, monkeypatch):
    config = tiny_config()
    ((_, path),) = run(config).records
    path.write_text("{")
    monkeypatch.setattr(Cell, "compute", lambda *_: pytest.fail("work was done"))
    with pytest.raises(RecordError, match=path.name):
        run(tiny_config(seed=[1]))


def test_flags_name_the_row_of_the_board(tiny_config):
    first = run(tiny_config("defense.weight=2.0")).records[0][0]
    outcome = run(tiny_config())
    flag = RaisedFlag(id="canary-failed", message="weak")
    record = outcome.records[0][0].model_copy(update={"flags": [flag]})
    outcome.records[:] = [(record, outcome.records[0][1])]
    assert first.defense.config != record.defense.config
    assert outcome.flags == ["tiny-defense (weight=1.0) seed 0: canary-failed: weak"]


def test_a_root_that_no_data_set_reads_is_refused(tmp_path):
    options = {"preset": "smoke", "defense": ["none"], "data_root": tmp_path}
    config = load_run_config({**options, "output": tmp_path / "out"}, [])
    with pytest.raises(UsageError, match="no data set of this run reads files"):
        run(config)


def test_the_resolved_configuration_runs_again_to_the_same_cells(tiny_config):
    config = tiny_config("defense.weight=0.5", seed=[3])
    run(config)
    again = load_run_config({"preset": str(config.output / "config.yaml")})
    run(again)
    assert len(events(config, "finished")) == 5


def test_preview_computes_and_writes_nothing_and_knows_what_is_finished(tiny_config):
    config = tiny_config()
    before = preview(config)
    assert not config.output.exists()
    assert [cell.finished for cell in before.cells] == [False] * 5
    assert before.minutes > 0
    assert before.disk_bytes > 0
    run(config)
    after = preview(config)
    assert all(cell.finished for cell in after.cells)
    assert after.minutes == 0
    assert [c.fingerprint for c in after.cells] == [c.fingerprint for c in before.cells]
    json.dumps(after.as_json())


def test_estimates_learn_from_the_journal(tiny_config):
    config = tiny_config()
    run(config)
    journal = config.output / "journal.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for line in lines:
        if line["event"] == "finished":
            line["seconds"] = 60 * line["passes"]
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    shutil.rmtree(config.output / "cells")
    shown = preview(config)
    train = shown.cells[0]
    passes = next(e["passes"] for e in lines if e["event"] == "finished")
    assert train.seconds == pytest.approx(60 * passes)


def test_a_label_changes_the_name_of_the_row_and_nothing_that_is_computed(tiny_config):
    plain = run(tiny_config())
    config = tiny_config(label=" mine, 12/255 ")
    named = run(config)
    assert len(events(config, "reused")) == 5
    ((before, path), (record, again)) = (*plain.records, *named.records)
    assert (record.id, again) == (before.id, path)
    assert (before.label, record.label) == (None, "mine, 12/255")
    assert [row.label for board in named.boards for row in board.rows] == ["mine, 12/255"]
    assert "mine, 12/255" in (config.output / "leaderboard.md").read_text()


def test_a_label_of_several_defenses_is_added_to_their_names(tiny_config):
    defenses = ["tiny-follower", "tiny-defense"]
    outcome = run(tiny_config(defense=defenses, attack=["tiny-attack"], label="long"))
    assert {one.label for one, _ in outcome.records} == {f"{name}, long" for name in defenses}


@pytest.mark.parametrize("label", ["", "  ", "two\nlines", ["a"]])
def test_a_label_is_one_line_of_text(tiny_config, label):
    with pytest.raises(UsageError, match="label"):
        tiny_config(label=label)


def test_a_run_builds_its_boards_once(tiny_config, monkeypatch):
    built = []

    def counting(*given):
        built.append(given)
        return make_boards(*given)

    monkeypatch.setattr("benchmark.runner.run.make_boards", counting)
    outcome = run(tiny_config())
    assert len(built) == 1
    assert outcome.flags is not None
    assert len(built) == 1
