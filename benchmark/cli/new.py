"""``new``: a small installable package to start from, with an example that works."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.kinds import registry_of
from benchmark.cli.options import kind_argument
from benchmark.cli.paths import absolute, as_given
from benchmark.cli.screen import write_line
from benchmark.scaffold.package_names import SCAFFOLD_KINDS, package_names

PROGRAM = "python -m benchmark"


def new(
    kind: Annotated[str, kind_argument("What it is.", SCAFFOLD_KINDS)],
    name: Annotated[str, typer.Argument(help="Its name, such as my-defense.")],
    output: Annotated[
        Path | None,
        typer.Option(
            help="A new or empty folder. Default: one of this name, here.",
            metavar="DIR",
            parser=as_given,
        ),
    ] = None,
) -> None:
    """Write a small package that registers a defense, an attack, a data set or an experiment.

    It holds an example that works, a test that runs the contract suite, and a README.

    Example:
      python -m benchmark new defense my-defense
    """
    from benchmark import __version__
    from benchmark.runner.error_translation import machine_problems
    from benchmark.scaffold.write_package import write_package

    taken = _taken(kind) if kind in SCAFFOLD_KINDS else ()
    names = package_names(kind, name, taken)
    folder = output or Path(name)
    with machine_problems(absolute(folder)):
        write_package(names, folder, __version__)
    write_line(f"wrote {folder}; the {kind} is in {folder / names.module / f'{kind}.py'}. Next:")
    for command in next_commands(kind, name, folder):
        write_line(f"  {command}")


def next_commands(kind: str, name: str, folder: Path) -> tuple[str, ...]:
    """Return what to type after a package was written."""
    place = shlex.quote(str(folder))
    install = f"python -m pip install -e {place}"
    images = shlex.quote(f"{name}-images")
    return {
        "defense": (
            install,
            f"{PROGRAM} check defense {name}",
            f"{PROGRAM} run --preset smoke --defense {name}",
        ),
        "attack": (
            install,
            f"{PROGRAM} check attack {name}",
            f"{PROGRAM} run --preset zoo --attack {name}",
        ),
        "dataset": (
            install,
            f"python {shlex.quote(str(folder / 'tests' / 'drawn_images.py'))} {images}",
            f"{PROGRAM} check dataset {name} --data-root {images}",
            f"{PROGRAM} run --preset smoke --dataset {name} --data-root {images} --defense none "
            "--attack fna",
        ),
        "experiment": (
            install,
            f"{PROGRAM} check experiment {name}",
            f"{PROGRAM} experiment {name} --preset smoke",
        ),
    }[kind]


def _taken(kind: str) -> list[str]:
    """Return names that mean something already where the new one would be given."""
    from benchmark.config.attack_groups import ATTACK_GROUPS

    return [*registry_of(f"{kind}s").names(), *(ATTACK_GROUPS if kind == "attack" else ())]
