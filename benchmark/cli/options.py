"""The options that `run` and `plan` share, and how they become a configuration."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.cli import completion
from benchmark.cli.paths import absolute, root
from benchmark.cli.screen import logging_to_screen

if TYPE_CHECKING:
    from benchmark.config.schema import RunConfig

Defense = Annotated[
    list[str] | None,
    typer.Option(
        help="Defenses, by name; several with commas.",
        metavar="NAME[,NAME…]",
        autocompletion=completion.defenses,
    ),
]
Encoder = Annotated[
    str | None,
    typer.Option(
        help="An encoder that exists already, such as torchreid:osnet_x0_25 or onnx:FILE.",
        metavar="KIND:NAME",
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(help="Weights of the encoder.", metavar="FILE", parser=absolute),
]
Preset = Annotated[
    str | None,
    typer.Option(
        help="Preset, or a YAML file. Default: one that is made for the data set, else embedded.",
        metavar="NAME|FILE.yaml",
        autocompletion=completion.presets,
    ),
]
Dataset = Annotated[
    str | None,
    typer.Option(
        help="Data set to train and test on; several with commas are joined.",
        metavar="NAME[,NAME…]",
        autocompletion=completion.datasets,
    ),
]
DataRoot = Annotated[
    list[str] | None,
    typer.Option(
        "--data-root",
        help="Folder that is a data set or holds some, or the folder of one. Default: "
        "$REID_ROBUSTBENCH_DATA.",
        metavar="DIR|NAME=DIR …",
        parser=root,
    ),
]
TestDataset = Annotated[
    list[str] | None,
    typer.Option(
        help="Further data sets to test on; 'none' for no other.",
        metavar="NAME …",
        autocompletion=completion.datasets,
    ),
]
Attack = Annotated[
    list[str] | None,
    typer.Option(
        help="Attacks or groups. Default: published-grid reid-aa.",
        metavar="NAME|GROUP …",
        autocompletion=completion.attacks,
    ),
]
Eps = Annotated[
    list[str] | None,
    typer.Option(help="Budgets in 1/255; 8/255 is 8. Default: 8.", metavar="N …"),
]
Seed = Annotated[
    list[str] | None, typer.Option(help="Training seeds; a record each. Default: 0.", metavar="N …")
]
AttackSeed = Annotated[
    list[str] | None,
    typer.Option(help="Seeds of what attacks draw; averaged over. Default: 0.", metavar="N …"),
]
Queries = Annotated[
    str | None,
    typer.Option(
        help="A quick look: rank and attack this many queries. Default: all.", metavar="N"
    ),
]
Label = Annotated[
    str | None,
    typer.Option(
        help="Name of the row on boards. Default: the defense and what differs.", metavar="TEXT"
    ),
]
Protocol = Annotated[
    str | None,
    typer.Option(
        help="unseen: train against several attacks, test with all. Default: standard.",
        metavar="standard|unseen",
    ),
]
Side = Annotated[
    str | None,
    typer.Option(help="Which images are perturbed. Default: query.", metavar="query|gallery|both"),
]
Intent = Annotated[
    str | None,
    typer.Option(
        help="What the attacker wants. Default: dodge.", metavar="dodge|impersonate|rank-down"
    ),
]
Fraction = Annotated[
    str | None,
    typer.Option(
        help="Share of the gallery images of query identities to perturb. Default: 1.",
        metavar="0–1",
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        help="Which other identity to impersonate or rank down. Default: random.",
        metavar="random|nearest|farthest",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(help="Results go here. Default: runs.", metavar="DIR", parser=absolute),
]
CacheDir = Annotated[
    Path | None,
    typer.Option(
        help="Rendered and decoded images go here. Default: $REID_ROBUSTBENCH_CACHE, else the "
        "user's cache.",
        metavar="DIR",
        parser=absolute,
    ),
]
PluginFile = Annotated[
    list[Path] | None,
    typer.Option(help="Python files that register plugins.", metavar="FILE.py …", parser=absolute),
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
    str | None,
    typer.Option(
        help="Where workers are: this machine, or a Ray cluster. Default: local.",
        metavar="local|ray",
    ),
]
Workers = Annotated[
    str | None,
    typer.Option(
        help="Processes side by side. Default: one a GPU; on CPUs one for two cores beyond two.",
        metavar="N",
    ),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Compute finished cells again.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 5 if a sanity flag is raised.")]
Tensorboard = Annotated[
    bool, typer.Option("--tensorboard", help="Write event files to OUTPUT/tensorboard.")
]
Json = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout and nothing else there.")
]

SCENARIO = ("side", "intent", "fraction", "target")
"""Options that are keys of the section ``scenario``."""

ENCODER = {"spec": "encoder", "weights": "weights"}
"""Keys of the section ``encoder``, and the options that set them."""

Command = Callable[["RunConfig", bool], int]
"""Takes the configuration, and whether to write JSON; returns an exit code."""


def kind_argument(meaning: str, kinds: Sequence[str]) -> Any:
    """Return the argument that names one of some kinds, for `typing.Annotated`."""
    return typer.Argument(
        help=meaning, metavar="|".join(kinds), autocompletion=completion.one_of(kinds)
    )


def takes_run_options(command: Command) -> Callable[..., int]:
    """Give a command of the command line the options of a run.

    It is called with the configuration that they make, and with whether to write JSON.
    """

    def called(**options: Any) -> int:
        return command(read_config(options), options["json_"])

    called.__name__, called.__doc__ = command.__name__, command.__doc__
    called.__annotations__ = {}  # typer reads the signature below
    called.__signature__ = inspect.Signature(run_parameters())  # type: ignore[attr-defined]
    return called


def run_parameters() -> list[inspect.Parameter]:
    """Return the options of a run as parameters of a command."""
    return list(inspect.signature(_run_options, eval_str=True).parameters.values())


def read_config(options: Mapping[str, Any]) -> RunConfig:
    """Return the validated configuration of the options of a command.

    Raises:
        UsageError: A wrong name, key or value.
        PluginError: A plugin file raises.
    """
    from benchmark.config.load import load_run_config
    from benchmark.core.errors import UsageError

    logging_to_screen()
    given = {key: value for key, value in options.items() if value not in (None, (), [], False)}
    scenario = [f"scenario.{key}={given.pop(key)}" for key in SCENARIO if key in given]
    given.pop("json_", None)
    encoder = [
        f"encoder.{key}={json.dumps(str(given.pop(option)))}"
        for key, option in ENCODER.items()
        if option in given
    ]
    assignments = [*scenario, *encoder, *given.pop("set_", ())]
    config = load_run_config(given, assignments)
    names_target = any(text.startswith("scenario.target=") for text in assignments)
    if names_target and config.scenario.intent == "dodge":
        raise UsageError(
            "a target was named, but intent dodge has none",
            "add --intent impersonate or --intent rank-down, or drop the target",
        )
    return config


def _run_options(
    defense: Defense = None,
    encoder: Encoder = None,
    weights: Weights = None,
    preset: Preset = None,
    dataset: Dataset = None,
    data_root: DataRoot = None,
    test_dataset: TestDataset = None,
    attack: Attack = None,
    eps: Eps = None,
    seed: Seed = None,
    attack_seed: AttackSeed = None,
    queries: Queries = None,
    label: Label = None,
    protocol: Protocol = None,
    side: Side = None,
    intent: Intent = None,
    fraction: Fraction = None,
    target: Target = None,
    output: Output = None,
    cache_dir: CacheDir = None,
    plugin: PluginFile = None,
    set_: Assignments = None,
    device: Device = None,
    executor: Executor = None,
    workers: Workers = None,
    fresh: Fresh = False,
    strict: Strict = False,
    tensorboard: Tensorboard = False,
    json_: Json = False,
) -> None:
    """Hold the options of a run with their types, for their signature alone."""
