"""Commands in process: output, exit codes, JSON purity."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("defenses", "ddid"),
        ("attacks", "metric-pgd"),
        ("datasets", "synthped-plaza"),
        ("backbones", "small-resnet"),
        ("presets", "embedded"),
    ],
)
def test_list_names_everything(cli, kind, name):
    code, out, err = cli("list", kind)
    assert (code, err) == (0, "")
    assert name in out
    code, out, _ = cli("list", kind, "--json")
    assert name in [row["name"] for row in json.loads(out)]


def test_list_of_an_unknown_kind(cli):
    code, out, err = cli("list", "defence")
    assert (code, out) == (2, "")
    assert err == "error: unknown kind 'defence'\n  → did you mean defenses?\n"


@pytest.mark.parametrize(
    ("kind", "name", "seen"),
    [
        ("defense", "metric-at", "Zhou"),
        ("attack", "metric-pgd", "steps"),
        ("backbones", "resnet50", "He et al."),
        ("dataset", "synthped-plaza", "size"),
        ("preset", "smoke", "epochs"),
    ],
)
def test_describe_shows_card_and_options(cli, kind, name, seen):
    code, out, _ = cli("describe", kind, name)
    assert code == 0
    assert seen in out
    code, out, _ = cli("describe", kind, name, "--json")
    assert json.loads(out)["name"] == name


def test_describe_explains_options_with_type_and_default(cli):
    _, out, _ = cli("describe", "attack", "metric-pgd", "--json")
    options = {row["key"]: row for row in json.loads(out)["options"]}
    assert options["momentum"]["type"] == "float"
    assert options["momentum"]["default"] == "0.0"
    assert options["momentum"]["meaning"]
    assert options["steps"]["type"] == "int | None"
    assert options["steps"]["meaning"], "an override inherits the meaning"


def test_describe_suggests_close_names(cli):
    code, _, err = cli("describe", "attack", "metric-pdg")
    assert code == 2
    assert "did you mean metric-pgd" in err


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("run", "--defens", "none"), "No such option"),
        (("rum",), "No such command"),
        (("run",), "no defense was chosen"),
        (("run", "--defense", "nome"), "unknown defense 'nome'"),
        (("run", "--defense", "none", "--eps", "-1"), "eps -1 is not between"),
        (("plan", "--defense", "none", "--executor", "spark"), "executor = 'spark'"),
        (("describe", "attack"), "Missing argument"),
        (("board", "nowhere"), "there is no folder nowhere"),
        (("board", "--format", "latec"), "unknown format 'latec'"),
        (("data", "info", "market1501"), "no root was given"),
        (("validate", "nowhere.json"), "cannot read nowhere.json"),
    ],
)
def test_mistakes_give_two_lines_and_a_code_and_no_traceback(cli, arguments, what):
    code, out, err = cli(*arguments)
    assert code in (2, 3)
    assert out == ""
    assert what in err
    assert err.startswith("error: ")
    assert len(err.splitlines()) <= 2
    assert "Traceback" not in err


def test_errors_are_json_too_if_asked(cli):
    code, out, err = cli("run", "--defense", "nome", "--json")
    assert json.loads(out)["error"]["exit_code"] == code == 2
    assert "unknown defense" in err


def test_run_json_is_one_document_on_stdout(cli, tiny_arguments):
    arguments = ["run", "--defense", "tiny-defense", "tiny-broken", *tiny_arguments]
    code, out, err = cli(*arguments, "--json")
    document = json.loads(out)
    assert code == document["exit_code"] == 4
    assert [record["defense"]["name"] for record in document["records"]] == ["tiny-defense"]
    assert document["failures"][0]["cell"].startswith("tiny-broken")
    assert "error: tiny-broken" in err
    code, out, _ = cli("plan", *arguments[1:], "--json")
    assert code == 0
    assert sum(cell["finished"] for cell in json.loads(out)["cells"]) == 5


def test_run_then_board_then_validate(cli, tiny_arguments, tmp_path):
    code, out, _ = cli("run", "--defense", "tiny-defense", *tiny_arguments)
    assert code == 0
    assert "tiny-defense" in out
    assert "leaderboard.md" in out
    assert "Worst mAP, the headline: each query meets its strongest attack" in out
    assert "preset embedded: The main job" in out
    records = list((tmp_path / "out" / "records").glob("*.json"))
    assert cli("validate", *records)[0] == 0
    code, out, _ = cli("board", tmp_path / "out", "--format", "csv")
    assert out == (tmp_path / "out" / "leaderboard.csv").read_text()
    code, out, _ = cli("board", tmp_path / "out", "--output", tmp_path / "tables")
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == [
        "attacks.csv",
        "leaderboard.csv",
        "leaderboard.json",
        "leaderboard.md",
    ]
    assert "tiny-defense" in cli("board", tmp_path / "out")[1]
    records[0].write_text("{}")
    code, _, err = cli("validate", *records)
    assert code == 3
    assert "is not a record" in err


def test_the_board_of_the_smoke_preset_says_that_its_figures_mean_nothing(cli, tiny_arguments):
    code, out, _ = cli("run", "--preset", "smoke", "--defense", "tiny-defense", *tiny_arguments)
    assert code == 0
    assert "the figures mean nothing" in " ".join(out.split())


def test_ctrl_c_gives_one_line_and_130(cli, tiny_arguments, monkeypatch):
    from benchmark.runner.cells.cell import Cell

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Cell, "compute", interrupted)
    code, out, err = cli("run", "--defense", "tiny-defense", *tiny_arguments)
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == "stopped; run the same command again to go on"


def test_a_fault_of_the_benchmark_is_one_line_with_the_traceback_in_the_log(
    cli, tiny_arguments, monkeypatch, tmp_path
):
    from benchmark.runner.cells.cell import Cell

    def broken(*_):
        raise AssertionError("a fault of ours")

    monkeypatch.setattr(Cell, "compute", broken)
    code, _, err = cli("run", "--defense", "tiny-defense", *tiny_arguments)
    assert code == 1
    assert "unexpected AssertionError: a fault of ours" in err
    assert "Traceback" not in err
    assert "a fault of ours" in (tmp_path / "out" / "run.log").read_text()


def test_strict_exits_with_5_on_a_flag(cli, tiny_arguments, monkeypatch):
    from benchmark.runner.record import RecordMaker

    flags = [{"id": "suspicious", "message": "too good"}]
    monkeypatch.setattr(RecordMaker, "_flags", lambda *_: flags)
    assert cli("run", "--defense", "tiny-defense", *tiny_arguments)[0] == 0
    code, out, _ = cli("run", "--defense", "tiny-defense", *tiny_arguments, "--strict")
    assert code == 5
    assert "suspicious: too good" in out


def test_missing_and_empty_data_roots_are_told(cli, tmp_path):
    arguments = ("run", "--defense", "none", "--dataset", "market1501", "--output", tmp_path / "o")
    code, _, err = cli(*arguments, "--data-root", tmp_path / "nowhere")
    assert code == 3
    assert "no folder" in err
    (tmp_path / "empty").mkdir()
    code, _, err = cli(*arguments, "--data-root", tmp_path / "empty")
    assert code == 3
    assert "holds none of" in err
    code, out, _ = cli("plan", *arguments[1:])
    assert code == 3
    assert "missing: market1501" in out


def test_data_commands(cli, tmp_path):
    code, out, _ = cli("data", "info", "synthped-plaza", "--size", "smoke", "--json")
    assert code == 0
    assert json.loads(out)["name"] == "synthped-plaza"
    assert cli("data", "info", "synthped-plaza", "--size", "smoke")[0] == 0


def test_doctor_reports_every_subject(cli, tmp_path):
    code, out, _ = cli("doctor", "--output", tmp_path)
    subjects = {line.split()[1].rstrip(":") for line in out.splitlines()}
    assert {"python", "torch", "device", "cores", "memory", "cache", "output", "disk"} <= subjects
    assert {"threads", "load", "workers", "ray", "accelerate", "tensorboard"} <= subjects
    assert code in (0, 6)


def test_doctor_tells_which_data_sets_are_where(cli, tmp_path, monkeypatch):
    def lines(*roots):
        _, out, _ = cli("doctor", "--output", tmp_path, *roots)
        return [line for line in out.splitlines() if " data: " in line]

    monkeypatch.delenv("REID_ROBUSTBENCH_DATA", raising=False)
    assert any("not looked for: " in line and "market1501" in line for line in lines())
    (tmp_path / "market-1501" / "query").mkdir(parents=True)
    found = f"ok    data: market1501: {tmp_path / 'market-1501'}"
    assert found in lines("--data-root", tmp_path)
    assert found in lines("--data-root", f"market1501={tmp_path}")
    monkeypatch.setenv("REID_ROBUSTBENCH_DATA", str(tmp_path))
    assert found in lines()
    assert f"warn  data: no folder {tmp_path / 'lost'}" in lines("--data-root", tmp_path / "lost")
    assert "is rendered" in lines("--data-root", f"synthped-plaza={tmp_path}")[0]
    monkeypatch.setenv("REID_ROBUSTBENCH_DATA", "")
    assert lines()[0].startswith("fail  data: REID_ROBUSTBENCH_DATA is set and names no folder")


def test_help_is_quick_and_names_need_no_torch():
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", "--help"], capture_output=True, text=True, check=True
    )
    assert time.monotonic() - start < 1.5 or os.getloadavg()[0] > (os.cpu_count() or 1)
    assert "run" in done.stdout
    code = (
        "import sys; from benchmark.cli.app import exit_code; exit_code(['list', 'attacks']); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'pandas', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
