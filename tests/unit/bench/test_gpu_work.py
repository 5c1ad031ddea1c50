"""The list of GPU work: what starts, what is stopped in time, what goes on, with fake work."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch

from benchmark.bench.gpu_work import commands as command_module
from benchmark.bench.gpu_work.__main__ import main
from benchmark.bench.gpu_work.commands import Commands, run_until
from benchmark.bench.gpu_work.notes import Note, Notes
from benchmark.bench.gpu_work.predictions import predicted_seconds
from benchmark.bench.gpu_work.run_list import Attempt, WorkList
from benchmark.bench.gpu_work.work_list import WORKS, GpuWork
from benchmark.config.load import load_run_config

HERE = ("some GPU", "abc")
OPTIONS = {"preset": "smoke", "defense": "none"}
TESTS = GpuWork("tests", "", ("-m", "pytest"), opens=True)
BENCH = GpuWork("bench", "", ("-m", "bench"))
FIRST = GpuWork("first", "", options=OPTIONS, board="gpu")
SECOND = GpuWork("second", "", options=OPTIONS, as_many_as="first")
TAKES = {"tests": 100.0, "bench": 200.0, "first": 1000.0, "second": 300.0}


class Machine:
    """Fake work: it takes its time, and a run goes on where it was stopped."""

    def __init__(self, path: Path, works: tuple[GpuWork, ...], place: tuple[str, ...] = HERE):
        self.now, self.done, self.fails = 0.0, dict.fromkeys(TAKES, 0.0), ""
        self.list = WorkList(
            works,
            Notes.read(path),
            place,
            lambda work: TAKES[work.name],
            self.start,
            lambda: self.now,
        )

    def start(self, work: GpuWork, seconds: float) -> Attempt:
        left = TAKES[work.name] - self.done[work.name]
        taken = min(left, seconds)
        self.now += taken
        self.done[work.name] += taken
        if work.name == self.fails:
            return Attempt(taken, 1)
        return Attempt(taken, 0 if taken == left else None, (f"{work.name}.json",))

    def told(self, seconds: float, only: tuple[str, ...] = ()) -> list[tuple[str, str]]:
        return [(one.work.name, one.state) for one in self.list.run(seconds, only)]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "gpu" / "notes.json"


def test_what_fits_is_done_by_priority_and_the_rest_next_time(notes: Path) -> None:
    machine = Machine(notes, (TESTS, BENCH, FIRST, SECOND))
    assert machine.told(90) == [("tests", "no room")]  # nothing is worth anything before them
    assert machine.told(250) == [("tests", "finished"), ("bench", "no room"), ("first", "stopped")]
    assert machine.now == 250
    assert machine.told(900) == [("bench", "finished"), ("first", "stopped")]
    assert machine.told(400) == [("first", "finished"), ("second", "stopped")]
    assert machine.told(600) == [("second", "finished")]
    assert machine.told(600) == []
    assert Notes.read(notes).of("first") == Note(True, 1000.0, ("first.json",), HERE)


def test_only_tests_and_bench_are_done_again_elsewhere(notes: Path) -> None:
    Machine(notes, (TESTS, BENCH, FIRST)).told(9000)
    elsewhere = Machine(notes, (TESTS, BENCH, FIRST), ("other GPU", "abc"))
    assert elsewhere.told(9000) == [("tests", "finished"), ("bench", "finished")]


def test_failed_tests_end_it_and_a_failed_run_does_not(notes: Path) -> None:
    machine = Machine(notes, (TESTS, FIRST, BENCH))
    machine.fails = "tests"
    assert machine.told(9000) == [("tests", "failed")]
    machine = Machine(notes, (TESTS, FIRST, SECOND, BENCH))
    machine.fails = "first"
    assert machine.told(9000) == [
        ("tests", "finished"),
        ("first", "failed"),
        ("second", "waits"),
        ("bench", "finished"),
    ]


def test_chosen_entries_alone(notes: Path) -> None:
    assert Machine(notes, (TESTS, BENCH, FIRST)).told(9000, ("bench",)) == [("bench", "finished")]


def test_a_run_is_interrupted_in_time_and_killed_if_it_does_not_listen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_module, "STOP_SECONDS", 2.0)
    monkeypatch.setattr(command_module, "KILL_SECONDS", 1.0)
    polite = "import time\ntry: time.sleep(60)\nexcept KeyboardInterrupt: open('kept', 'w')\n"
    deaf = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(60)\n"
    for script in (polite, deaf):
        start = time.monotonic()
        arguments = [command_module.sys.executable, "-S", "-c", script]
        with (tmp_path / "said").open("wb") as stdout:
            assert run_until(arguments, tmp_path, stdout.fileno(), 3.0) is None
        assert time.monotonic() - start < 20  # beside other work; it would sleep for a minute
    assert (tmp_path / "kept").exists()


def test_results_are_published_in_place_of_earlier_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "out" / "records"
    made.mkdir(parents=True)
    report = {"balancing": {"accepted": {"inter-identity": 3, "intra-identity": 4}}}
    (made / "new.json").write_text(json.dumps({"training": {"report": report}}))
    (made / "new.per_query.npz").write_bytes(b"outcomes")
    records = tmp_path / "results" / "published" / "gpu" / "records"
    records.mkdir(parents=True)
    (records / "old.json").write_text("old")
    (records / "other.json").write_text("of another entry")
    notes = Notes(tmp_path / "notes.json")
    notes.keep("first", Note(published=("gpu/records/old.json",)))
    commands = Commands(tmp_path, tmp_path / "out", notes, HERE)
    said = json.dumps({"record_files": [str(made / "new.json")]})
    monkeypatch.setattr(Commands, "arguments", lambda *_: ["bash", "-c", f"echo '{said}'"])
    attempt = commands.start(FIRST, 60)
    monkeypatch.undo()
    assert attempt.code == 0
    assert attempt.published == ("gpu/records/new.json", "gpu/records/new.per_query.npz")
    assert {path.name for path in records.iterdir()} == {
        *("new.json", "new.per_query.npz", "other.json")
    }
    notes.keep("first", Note(True, published=attempt.published))
    assert "defense.balancing_options.most=7" in commands.arguments(SECOND)


def test_the_table_of_the_bench_says_where_it_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = Commands(tmp_path, tmp_path / "out", Notes(tmp_path / "notes.json"), HERE)
    monkeypatch.setattr(Commands, "arguments", lambda *_: ["echo", '[{"ratio": 2}]'])
    (name,) = commands.start(GpuWork("bench", "", ("-m", "bench"), board="gpu"), 60).published
    kept = json.loads((commands.published / name).read_text())
    assert kept == {"device": "some GPU", "git_commit": "abc", "rows": [{"ratio": 2}]}


def test_all_entries_can_be_run_and_have_names_of_their_own() -> None:
    assert len({work.name for work in WORKS}) == len(WORKS)
    assert [work.name for work in WORKS[:2]] == ["tests", "bench"]
    for work in WORKS:
        assert work.is_run != bool(work.command)
        assert not work.as_many_as or work.as_many_as in {one.name for one in WORKS}
    runs = {(work.options["preset"], work.keys): work for work in WORKS if work.is_run}
    for work in runs.values():
        config = load_run_config({**work.options, "device": "auto"}, list(work.keys))
        assert (config.size, config.training.inner.steps) == ("full", 1)


def test_a_run_is_predicted_by_its_plan_and_a_command_by_the_last_time(tmp_path: Path) -> None:
    notes = Notes(tmp_path / "notes.json")
    assert predicted_seconds(WORKS[0], notes, tmp_path) == 60 * WORKS[0].minutes
    notes.keep("tests", Note(seconds=77.0))
    assert predicted_seconds(WORKS[0], notes, tmp_path) == 77.0
    small = GpuWork("small", "", options={**OPTIONS, "attack": "fna", "test_dataset": "none"})
    assert predicted_seconds(small, notes, tmp_path) > 0


def test_without_a_gpu_it_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["15"], tmp_path) == 6
    assert "no CUDA device" in capsys.readouterr().err
    assert main(["15", "--plan", "--only", "tests"], tmp_path) == 0
    assert "tests" in capsys.readouterr().out
    for wrong in (["-1"], ["15", "--only", "r19"]):
        with pytest.raises(SystemExit) as refused:
            main(wrong, tmp_path)
        assert refused.value.code == 2
