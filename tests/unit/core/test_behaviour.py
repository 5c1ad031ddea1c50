"""Which files a plugin's behaviour follows, and what is said where that cannot be known."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.core.behaviour import Behaviour, behaviour_of_source
from benchmark.core.errors import PluginError
from benchmark.core.plugin import PluginConfig, _behaviour_of, options_of
from benchmark.core.registry import ATTACKS, DEFENSES, Registry

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def put(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    return put


def behaviour(tmp_path: Path, plugin: str = "lab/plugin.py", module: str = "plugin") -> Behaviour:
    return behaviour_of_source(tmp_path / plugin, module, "Mine")


HERE = "from pathlib import Path\nHERE = Path(__file__).parent\n"
CODE = [
    ("plugin", "import helper_x", "helper_x.py"),
    ("plugin", "from helper_x import f", "helper_x.py"),
    ("plugin", "def f():\n    import helper_x", "helper_x.py"),
    ("pkg.plugin", "from .helper_x import f", "pkg/helper_x.py"),
    ("pkg.plugin", "from . import helper_x", "pkg/helper_x.py"),
    ("pkg.sub.plugin", "from ..helper_x import f", "pkg/helper_x.py"),
    ("pkg.plugin", "from .helper_x import f", "pkg/__init__.py"),
    ("plugin", "from importlib import import_module\nm = import_module('helper_x')", "helper_x.py"),
    ("plugin", "m = __import__('helper_x')", "helper_x.py"),
    ("plugin", "import sys\nsys.path.insert(0, '..')\nimport helper_x", "../helper_x.py"),
    ("plugin", f"{HERE}s = spec_from_file_location('h', HERE / 'code' / 'h.py')", "code/h.py"),
]
DATA = [
    ("plugin", "P = Path(__file__).with_name('w.txt').read_text()", "w.txt"),
    ("plugin", "import os\nW = open(os.path.join(os.path.dirname(__file__), 'w.json'))", "w.json"),
    ("plugin", f"import numpy as np\n{HERE}W = np.load(HERE.parent / 'w.npz')", "../w.npz"),
    ("plugin", "import torch\ndef f():\n    return torch.load('w.pt')", "w.pt"),
    ("plugin", f"{HERE}ALL = sorted((HERE / 'masks').glob('*.txt'))", "masks/a.txt"),
    ("plugin", "sources = ['table']\ndef f(path):\n    return open(path).read()", "table/a.txt"),
]


@pytest.mark.parametrize(("module", "text", "helper"), CODE + DATA)
def test_an_edit_of_what_it_imports_or_reads_is_another_behaviour(
    tmp_path: Path, write: Write, module: str, text: str, helper: str
) -> None:
    plugin, beside = f"lab/{module.replace('.', '/')}.py", f"lab/{helper}"
    write(plugin, text)
    write("lab/pkg/helper_x.py", "f = 1\n")
    write(beside, "f = 1\n")
    write("lab/unrelated.py", "x = 1\n")
    before = behaviour(tmp_path, plugin, module)
    assert not before.unknown
    write("lab/unrelated.py", "x = 2\n")
    assert behaviour(tmp_path, plugin, module) == before
    write(beside, "f = 2222\n")
    assert behaviour(tmp_path, plugin, module).id != before.id


@pytest.mark.parametrize(
    "text",
    [
        "import importlib\ndef f(name):\n    return importlib.import_module(name)",
        "def f(path):\n    return open(path).read()",
        "def f(name):\n    return (Path(__file__).parent / name).read_bytes()",
        "import numpy as np\ndef f(self):\n    return np.load(self.config.table)",
        "import a_module_that_is_nowhere",
        "import os\ndef f(name):\n    return os.listdir(name)",
        "from importlib import import_module as im\ndef f(name):\n    return im(name)",
        "import numpy as n\ndef f(name):\n    return n.load(name)",
        "from torch import load as fetch\ndef f(name):\n    return fetch(name)",
        "import torch\ndef f(name):\n    return torch.jit.load(name)",
        "import pandas as p\ndef f(name):\n    return p.read_excel(name)",
        "from subprocess import check_output as out\ndef f():\n    return out(['./tool'])",
    ],
)
def test_what_cannot_be_known_makes_every_process_another_behaviour(
    tmp_path: Path, write: Write, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("lab/plugin.py", text)
    before = behaviour(tmp_path)
    (told,) = before.unknown
    assert told.startswith("plugin.py, line ")
    monkeypatch.setattr("benchmark.core.behaviour._THIS_PROCESS", "another")
    assert behaviour(tmp_path).id != before.id
    write("lab/plugin.py", f"{text}\nsources = []\n")
    assert not behaviour(tmp_path).unknown


@pytest.mark.parametrize(
    "text",
    [
        "import torch\ndef f(task):\n    return torch.load(task.work_dir / 'half.pt')",
        "def f():\n    with open('out.txt', 'w') as stream:\n        stream.write('x')",
        "from PIL import Image\ndef f():\n    s = io.BytesIO()\n    return Image.open(s)",
        "try:\n    import a_module_that_is_nowhere\nexcept ImportError:\n    pass",
        "class A:\n    class Config:\n        sources = ['a word']",
        "def f():\n    sources = ['a word']\n    return sources",
        "def walk():\n    return 1\nX = walk()",
        "class A:\n    def open(self): return 1\n    def f(self): return self.open()",
        "import json\nWEIGHTS = json.loads('[1]')",
    ],
)
def test_what_shapes_nothing_is_not_asked_for(tmp_path: Path, write: Write, text: str) -> None:
    write("lab/plugin.py", text)
    assert not behaviour(tmp_path).unknown


def test_a_declared_source_must_be_there(tmp_path: Path, write: Write) -> None:
    write("lab/plugin.py", "class Mine:\n    sources = ['table.txt']\n")
    with pytest.raises(PluginError, match=r"declares the source 'table.txt', which does not exist"):
        behaviour(tmp_path)


def test_the_place_of_the_folder_does_not_count(tmp_path: Path, write: Write) -> None:
    for place in ("one", "two"):
        write(f"{place}/plugin.py", "import helper_x\nT = open('w.txt').read()")
        write(f"{place}/helper_x.py", "f = 1\n")
        write(f"{place}/w.txt", "1")
    one, two = (behaviour(tmp_path, f"{place}/plugin.py") for place in ("one", "two"))
    assert one.id == two.id


def test_installed_packages_do_not_count(tmp_path: Path, write: Write) -> None:
    write("lab/plugin.py", "import numpy\nimport benchmark\nfrom torch import nn\nimport yaml\n")
    assert behaviour(tmp_path).modules == {"plugin"}


@pytest.mark.parametrize(
    ("registry", "name", "wanted"),
    [
        (ATTACKS, "color-lut", {"attacks.recolour", "attacks.metric_gradient"}),
        (ATTACKS, "torchattacks", {"attacks.torchattacks_classes"}),
        (DEFENSES, "avmixup", {"defenses.ddid.fnes", "defenses.paired"}),
        (DEFENSES, "free-ddid", {"defenses.ddid.defense", "defenses.ddid.balancing"}),
        (DEFENSES, "diffpure", {"defenses.ddid.diffusion", "defenses.wrapped"}),
    ],
)
def test_built_in_plugins_follow_what_they_borrow(
    registry: Registry, name: str, wanted: set[str]
) -> None:
    assert wanted < registry.get(name).behaviour().modules


def test_an_ensemble_follows_its_members(monkeypatch: pytest.MonkeyPatch) -> None:
    ensemble, member = ATTACKS.get("reid-aa"), ATTACKS.get("soft-ap")
    before = ensemble.behaviour()
    other = Behaviour("soft-ap@9", "0", "0")
    monkeypatch.setattr(member, "behaviour", classmethod(lambda cls: other))
    monkeypatch.setattr("benchmark.core.plugin._behaviour_of", _behaviour_of.__wrapped__)
    assert ensemble.behaviour().id != before.id


def test_sets_among_options_are_in_one_order() -> None:
    class Options(PluginConfig):
        names: set[str] = set("abcdefghij")
        nested: dict[str, frozenset[int]] = {"a": frozenset({30, 2, 100})}

    assert options_of(Options()) == {"names": list("abcdefghij"), "nested": {"a": [100, 2, 30]}}
