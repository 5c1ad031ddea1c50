"""The options that `run` and `plan` share, and how they become a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from benchmark.config.schema import RunConfig

Defense = Annotated[
    list[str] | None,
    typer.Option(help="Defenses, by name; several with commas.", metavar="NAME[,NAME…]"),
]
Preset = Annotated[
    str | None,
    typer.Option(help="Preset, or a YAML file. Default: embedded.", metavar="NAME|FILE.yaml"),
]
Dataset = Annotated[str | None, typer.Option(help="Data set to train and test on.", metavar="NAME")]
DataRoot = Annotated[
    Path | None, typer.Option(help="Folder of a data set of your own.", metavar="DIR")
]
TestDataset = Annotated[
    list[str] | None,
    typer.Option(help="Further data sets to test on; 'none' for no other.", metavar="NAME …"),
]
Attack = Annotated[
    list[str] | None,
    typer.Option(help="Attacks or groups. Default: default.", metavar="NAME|GROUP …"),
]
Eps = Annotated[list[str] | None, typer.Option(help="Budgets in 1/255. Default: 8.", metavar="N …")]
Seed = Annotated[
    list[str] | None, typer.Option(help="Training seeds; a record each. Default: 0.", metavar="N …")
]
Output = Annotated[Path | None, typer.Option(help="Results go here. Default: runs.", metavar="DIR")]
PluginFile = Annotated[
    list[Path] | None,
    typer.Option(help="Python files that register plugins.", metavar="FILE.py …"),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Any key of the configuration: training.epochs=20, defense.KEY=V, attack.NAME.KEY=V.",
        metavar="KEY=VALUE …",
    ),
]
Device = Annotated[
    str | None, typer.Option(help="Where to compute. Default: auto.", metavar="auto|cpu|cuda")
]
Executor = Annotated[
    str | None, typer.Option(help="How to distribute cells. Default: local.", metavar="local|ray")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Compute finished cells again.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 5 if a sanity flag is raised.")]
Json = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout and nothing else there.")
]


def read_config(params: Mapping[str, Any]) -> RunConfig:
    """Return the validated configuration of the options of a command.

    Raises:
        UsageError: A wrong name, key or value.
        PluginError: A plugin file raises.
    """
    from benchmark.config.load import load_run_config

    given = {key: value for key, value in params.items() if value not in (None, (), [])}
    options = {key: value for key, value in given.items() if key not in ("set_", "json_", "ctx")}
    for switch in ("fresh", "strict"):
        options[switch] = options.get(switch) or None
    return load_run_config(options, params.get("set_") or ())
