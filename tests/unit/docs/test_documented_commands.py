"""Every command line of the README and the docs is one that the program takes as it stands."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from pathlib import Path

import pytest
import typer

from benchmark.cli.app import app, exit_code
from benchmark.cli.argv import spread
from benchmark.cli.options import read_config
from benchmark.core.errors import UsageError
from benchmark.core.plugin import PLUGIN_FILE_PREFIX
from benchmark.core.registry import ATTACKS, DEFENSES, EXPERIMENTS, load_plugin_file
from tests.documents import PAGES, ROOT, commands, fences, name_of

LINES = sorted({(name_of(page), line) for page in PAGES for line in commands(page)})
OURS = [(page, line) for page, line in LINES if re.search(r"(-m benchmark|robustbench) ", line)]
MODULES = sorted({name for _, line in LINES for name in re.findall(r"python -m ([\w.]+)", line)})
COMMAND = typer.main.get_command(app)


@pytest.fixture
def files_of_the_pages(tmp_path, monkeypatch):
    """Stand in a folder with the plugins that the pages show; what they register goes again."""
    for page in PAGES:
        for text in fences(page, "python"):
            if name := re.match(r"# (\w+\.py)\n", text):
                (tmp_path / name[1]).write_text(text)
    monkeypatch.chdir(tmp_path)
    for registry in (ATTACKS, DEFENSES, EXPERIMENTS):
        monkeypatch.setattr(registry, "_classes", dict(registry._classes))
    for path in tmp_path.glob("*.py"):  # a page may speak of them as installed
        if "register_" in path.read_text():
            load_plugin_file(path)
    yield
    for module in [name for name in sys.modules if name.startswith(PLUGIN_FILE_PREFIX)]:
        if Path(str(sys.modules[module].__file__)).is_relative_to(tmp_path.resolve()):
            del sys.modules[module]


def parsed(line: str) -> tuple[str, dict]:
    """Return the command and its options as the program's own parser reads them."""
    arguments = spread(shlex.split(line.split("benchmark", 1)[1]), COMMAND)
    command, name, context = COMMAND, "", None
    while hasattr(command, "commands"):
        name = arguments.pop(0)
        command = command.commands[name]
        if hasattr(command, "commands"):
            continue
        context = command.make_context(name, arguments)
    return name, dict(context.params)


def check(name: str, options: dict) -> None:
    """Validate what `run`, `plan` and `experiment` are told, up to the first computation."""
    if name in ("run", "plan"):
        read_config(options)
    elif name == "experiment":
        from benchmark.cli.experiment import PREFIX, _values
        from benchmark.experiments.run_experiment import experiment_named, with_defaults

        for path in options.get("plugin") or ():
            load_plugin_file(path)
        chosen = experiment_named(options.pop("name"))
        settings = options.pop("set_") or []
        chosen.parse_config(_values([one for one in settings if one.startswith(PREFIX)]))
        rest = [one for one in settings if not one.startswith(PREFIX)]
        given, assignments = with_defaults(chosen, {**options, "set_": rest})
        read_config({**given, "set_": assignments})


@pytest.mark.usefixtures("files_of_the_pages")
@pytest.mark.parametrize(("page", "line"), OURS)
def test_the_program_takes_the_command(page, line):
    word = re.split(r"robustbench |benchmark ", line, maxsplit=1)[1].split()[0]
    if word.startswith("--"):
        assert exit_code([word]) == 0
        return
    if word in ("list", "describe"):
        assert exit_code(shlex.split(line.split("benchmark", 1)[1])) == 0
        return
    shown = (ROOT / page).read_text("utf-8").partition(f"$ {line}\n    error: ")[2]
    if shown:
        with pytest.raises(UsageError, match=re.escape(shown.partition("\n")[0])):
            check(*parsed(line))
    else:
        check(*parsed(line))


@pytest.mark.parametrize("module", MODULES)
def test_the_module_of_a_command_is_there(module):
    assert importlib.util.find_spec(module)


def test_targets_of_make_and_parts_of_regenerate_are_there():
    makefile = (ROOT / "Makefile").read_text()
    script = (ROOT / "results" / "regenerate.sh").read_text()
    for page in PAGES:
        text = page.read_text("utf-8")
        for target in re.findall(r"(?:^    |`)make ([a-z]+)\b", text, re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.M), (page, target)
        for part in re.findall(r"regenerate\.sh ([a-z-]+)", text):
            assert re.search(rf"^{part}\(\) {{", script, re.M), (page, part)


def test_there_are_commands_to_check():
    assert len(OURS) > 40
    assert Path("README.md").name in {page for page, _ in OURS}
