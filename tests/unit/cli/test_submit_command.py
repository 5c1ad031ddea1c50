"""``validate`` and ``submit``: nothing is written before all is in order."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmark.cli import submit as submit_module
from benchmark.core.errors import UsageError
from benchmark.runner import examined
from benchmark.runner.kept_embeddings import kept_embeddings
from benchmark.runner.recomputed import CONFIG_FILE, fingerprint_problems, planned
from benchmark.runner.reranked_sample import sample_problems, sampled_rows
from results.records.store import load_record
from results.submission.sampled_embeddings import sampled_path
from results.submission.submission_file import read_submission

PUBLISHED = Path(__file__).parents[3] / "results" / "published"


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    """Return a folder as a run leaves it: one published row, as if it were not published yet."""
    monkeypatch.setattr(examined, "fingerprint_problems", lambda path, record: iter(()))
    monkeypatch.setattr(submit_module, "_home", lambda: tmp_path / "published")
    shutil.copytree(PUBLISHED / "board-meta-step", tmp_path / "run" / "records")
    for path in (tmp_path / "run" / "records").glob("*.json"):
        if "no meta step" in path.read_text():
            path.with_suffix(".per_query.npz").unlink()
            path.unlink()
    (tmp_path / "run" / CONFIG_FILE).write_text(
        "defense: [ddid]\nplugin: [/home/somebody/mine.py]\noutput: /home/somebody/runs\n"
    )
    return tmp_path / "run"


def test_a_submission_is_a_folder_that_validates_and_a_text(cli, run_dir, tmp_path):
    code, out, err = cli("submit", run_dir, "--by", "A. Author")
    assert (code, err) == (0, "")
    (folder,) = (tmp_path / "published").iterdir()
    assert folder.name.startswith("ddid--synthped-plaza--")
    assert len(list(folder.glob("*--*.json"))) == 3
    assert len(list(folder.glob("*.per_query.npz"))) == 3
    assert "somebody" not in (folder / CONFIG_FILE).read_text()
    said = read_submission(folder)
    assert said.by == "A. Author"
    assert set(said.files) == {path.name for path in folder.iterdir()} - {"submission.json"}
    text = (run_dir / "pull_request.md").read_text()
    assert text in out
    assert "# Result: ddid, self-meta alone" in text
    assert "None was raised" in text
    code, out, err = cli("validate", folder)
    assert (code, err) == (0, "")
    assert out.count("ok    ") == 3

    code, _, err = cli("submit", run_dir, "--by", "A. Author", "--output", folder)
    assert code == 3
    assert "is published already" in err

    victim = next(folder.glob("*.npz"))
    victim.write_bytes(victim.read_bytes() + b" ")
    (folder / "extra.txt").write_text("x")
    code, out, _ = cli("validate", folder, "--json")
    assert code == 3
    whats = [p["what"] for one in json.loads(out)["examined"] for p in one["problems"]]
    assert any("it was changed" in what for what in whats)
    assert any("extra.txt is not listed" in what for what in whats)


def test_an_existing_folder_is_never_replaced(cli, run_dir, tmp_path):
    (tmp_path / "mine").mkdir()
    code, _, err = cli("submit", run_dir, "--by", "A", "--output", tmp_path / "mine")
    assert code == 3
    assert "is there already" in err
    assert list((tmp_path / "mine").iterdir()) == []
    assert not (run_dir / "pull_request.md").exists()


def test_everything_that_is_missing_is_asked_for_at_once(cli, run_dir, tmp_path):
    one, other, third = sorted((run_dir / "records").glob("*.json"))
    third.unlink()
    content = json.loads(one.read_text())
    content["clean"]["map"] += 1
    one.write_text(json.dumps(content))
    content = json.loads(other.read_text())
    content["flags"] = [{"id": "too-good", "message": "m"}]
    content["defense"]["card"]["licence"] = ""
    other.write_text(json.dumps(content))
    code, out, err = cli("submit", run_dir)
    assert (code, out) == (3, "")
    assert "the queries give" in err
    assert "nobody is named" in err
    assert "the flag too-good is raised 1 times" in err
    assert "has no licence" in err
    assert not (tmp_path / "published").exists() or not any((tmp_path / "published").iterdir())


def test_a_protocol_that_no_board_has_is_refused(cli, run_dir, tmp_path):
    shutil.copytree(PUBLISHED / "embedded", tmp_path / "published" / "embedded")
    code, _, err = cli("submit", run_dir, "--by", "A")
    assert code == 3
    assert "is on no published board of synthped-plaza; from 75ae4e7d it differs in attacks" in err
    assert cli("submit", run_dir, "--by", "A", "--new-board")[0] == 0


def test_kept_embeddings_rank_to_what_the_record_says(cli, tiny_arguments, tmp_path):
    assert cli("run", "--defense", "tiny-defense", *tiny_arguments)[0] == 0
    out = tmp_path / "out"
    (path,) = (out / "records").glob("*.json")
    record = load_record(path)
    sample = kept_embeddings(out, record)
    assert sample.rows.tolist() == sampled_rows(record, 12).tolist()
    sampled_path(path).write_bytes(sample.npz())
    assert list(sample_problems(path, record)) == []
    with np.load(sampled_path(path)) as stored:
        arrays = dict(stored)
    arrays["query"] = -arrays["query"]
    np.savez(sampled_path(path), **arrays)
    (one,) = sample_problems(path, record)
    assert "but its embedding ranks to" in one.what

    with pytest.raises(UsageError, match="names code of its own, which is not run"):
        planned(out / CONFIG_FILE)
    plan, _ = planned(out / CONFIG_FILE, is_own=True)
    assert [plan.record_id(trial) for trial in plan.trials] == [record.id]


def test_fingerprints_are_computed_again_and_foreign_behaviours_told(tmp_path):
    path = next((PUBLISHED / "board").glob("*--*.json"))
    record = load_record(path)
    assert [one.what for one in fingerprint_problems(path, record)] == [
        "its id was not computed again: there is no config.yaml beside it"
    ]
    for behaviour, what in (
        ("none@1", "is of defense none"),
        ("ghost@7", "no behaviour is called"),
    ):
        defense = record.defense.model_copy(update={"behaviour": behaviour, "name": "other"})
        found = fingerprint_problems(path, record.model_copy(update={"defense": defense}))
        assert what in next(found).what


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: &a [1]\nb: [*a, *a]\n", "holds aliases"),
        ("a: [", "not valid YAML"),
        ("a: '\\x", "cannot be read"),
        ("x" * 2**21, "larger than the 1 MiB"),
        ("encoder: {spec: 'torchreid:osnet_x0_25'}\n", "names code of its own"),
        ("defense: [none]\nplugin: [x.py]\n", "names code of its own"),
        ("defense: [none]\nunknown: 1\n", "unknown"),
    ],
)
def test_a_configuration_of_anybody_is_read_with_care(tmp_path, text, what):
    (tmp_path / CONFIG_FILE).write_text(text)
    with pytest.raises(UsageError, match=what):
        planned(tmp_path / CONFIG_FILE)
