"""``data``: look at a data set, write it to disk, verify it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.cli.options import CacheDir, DataRoot, Json
from benchmark.cli.paths import absolute
from benchmark.cli.screen import logging_to_screen, write_json, write_line
from benchmark.core.listing import SHOWN

if TYPE_CHECKING:
    from benchmark.data.dataset import Dataset
    from benchmark.data.verify import Defect

app = typer.Typer(
    help="Look at a data set, write it to disk, verify it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Name = Annotated[str, typer.Argument(help="Name of the data set.", metavar="NAME")]
Size = Annotated[
    str | None,
    typer.Option(help="For rendered data. Default: embedded.", metavar="smoke|embedded|full"),
]
Options = Annotated[
    list[str] | None,
    typer.Option("--set", help="Option of the data set: cameras=none.", metavar="KEY=VALUE …"),
]


@app.command()
def info(
    name: Name,
    data_root: DataRoot = None,
    size: Size = None,
    options: Options = None,
    cache_dir: CacheDir = None,
    json_: Json = False,
) -> None:
    """Show what a data set is, what it holds and where it is cached.

    Example:
      python -m benchmark data info synthped-plaza
    """
    from benchmark.data.verify import dataset_info

    card = dataset_info(_open(name, data_root, size, options, cache_dir))
    if json_:
        write_json(card)
        return
    for line in _lines(card):
        write_line(line)


@app.command()
def make(
    name: Name,
    output: Annotated[
        Path, typer.Option(help="A new or empty folder.", metavar="DIR", parser=absolute)
    ],
    data_root: DataRoot = None,
    size: Size = None,
    options: Options = None,
    cache_dir: CacheDir = None,
) -> None:
    """Write a data set to disk with card and contact sheet; named as in Market-1501 if it can be.

    Example:
      python -m benchmark data make synthped-plaza --output plaza
    """
    from benchmark.core.progress_choice import make_progress
    from benchmark.data.make import make_dataset
    from benchmark.runner.error_translation import machine_problems

    with machine_problems(output):
        dataset = _open(name, data_root, size, options, cache_dir)
        folder = make_dataset(dataset, output, make_progress())
    write_line(f"wrote {folder}")


@app.command()
def verify(
    name: Name,
    data_root: DataRoot = None,
    size: Size = None,
    options: Options = None,
    cache_dir: CacheDir = None,
    json_: Json = False,
) -> int:
    """Check files, pixels, identities and leaks between splits; exit with 3 on an error.

    Example:
      python -m benchmark data verify market1501 --data-root DIR
    """
    from dataclasses import asdict

    from benchmark.core.errors import EXIT_DATA, EXIT_OK, DataError
    from benchmark.data.verify import Defect, verify_dataset

    try:
        findings = verify_dataset(_open(name, data_root, size, options, cache_dir))
    except DataError as error:
        findings = [Defect("error", "root", error.what, error.hint)]
    failed = any(finding.level == "error" for finding in findings)
    if json_:
        write_json({"sound": not failed, "findings": [asdict(finding) for finding in findings]})
    else:
        for line in _finding_lines(findings):
            write_line(line)
    return EXIT_DATA if failed else EXIT_OK


def _open(
    name: str,
    roots: Sequence[str] | None,
    size: str | None,
    assignments: Sequence[str] | None,
    cache_dir: Path | None,
) -> Dataset:
    from benchmark.config.data_roots import data_roots
    from benchmark.config.schema import default_cache_dir
    from benchmark.core.dataset_names import JOINT, joined
    from benchmark.core.errors import UsageError
    from benchmark.core.progress_choice import make_progress
    from benchmark.core.registry import DATASETS
    from benchmark.runner.datasets import find_roots, open_dataset

    logging_to_screen()
    if JOINT in joined(name):
        raise UsageError(f"{name} are several data sets", "name one of them")
    plugin: type[Any] = DATASETS.get(name)
    if size is not None and "size" not in plugin.Config.model_fields:
        raise UsageError(f"the data set {name} has no sizes", "leave out --size")
    options = _options(name, assignments or ())
    plugin.parse_config(options)
    found = find_roots({name: plugin}, data_roots(roots), {name: options})[name]
    if found.problem is not None:
        raise found.problem
    return open_dataset(
        plugin,
        image_size=None,
        size=size,
        root=found.path,
        cache_dir=cache_dir or default_cache_dir(),
        progress=make_progress(),
        options=options,
    )


def _options(name: str, assignments: Sequence[str]) -> dict[str, Any]:
    """Return options of a data set, said as KEY=VALUE or as a run would be told."""
    from benchmark.config.assignments import assign, parse_assignment

    options: dict[str, Any] = {}
    for one in map(parse_assignment, assignments):
        path = one.path[2:] if one.path[:2] == ("dataset_config", name) else one.path
        assign(options, path or one.path, one.value)
    return options


def _finding_lines(findings: Sequence[Defect]) -> Iterator[str]:
    """Yield a line for each finding, a bounded number of each kind, and the verdict."""
    totals = Counter((finding.level, finding.check) for finding in findings)
    shown: Counter[tuple[str, str]] = Counter()
    for finding in findings:
        kind = (finding.level, finding.check)
        shown[kind] += 1
        hint = f"  → {finding.hint}" if finding.hint else ""
        if shown[kind] <= SHOWN:
            yield f"{finding.level:<8} {finding.check}: {finding.message}{hint}"
        elif shown[kind] == totals[kind]:
            yield f"{finding.level:<8} {finding.check}: and {totals[kind] - SHOWN} more"
    failed = any(level == "error" for level, _ in totals)
    yield "not sound: see the errors above" if failed else "sound"


def _lines(value: Any, indent: str = "") -> list[str]:
    """Lay out nested values as indented lines."""
    lines = []
    for key, inner in value.items():
        title = str(key).replace("_", " ")
        if isinstance(inner, dict):
            lines += [f"{indent}{title}:", *_lines(inner, indent + "  ")]
        elif isinstance(inner, list):
            lines.append(f"{indent}{title}: {', '.join(map(str, inner)) or 'none'}")
        else:
            lines.append(f"{indent}{title}: {inner}")
    return lines
