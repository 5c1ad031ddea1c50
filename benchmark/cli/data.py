"""``data``: look at a data set, write it to disk, verify it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from benchmark.cli.options import CacheDir, DataRoot, Json
from benchmark.cli.paths import absolute
from benchmark.cli.screen import logging_to_screen, write_json, write_line

if TYPE_CHECKING:
    from benchmark.data.dataset import Dataset

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
    output: Annotated[
        Path | None,
        typer.Option(
            help="Draw images by camera and by identity into this file.",
            metavar="FILE.png|pdf|svg",
            parser=absolute,
        ),
    ] = None,
    cache_dir: CacheDir = None,
    json_: Json = False,
) -> None:
    """Show what a data set is, what it holds, how it is spread, and where it is cached.

    Example:
      python -m benchmark data info synthped-plaza
    """
    from benchmark.cli.data_text import spread_lines, value_lines
    from benchmark.cli.spread_figure import check_figure, write_spread
    from benchmark.data.distribution import dataset_info

    if output is not None:
        check_figure(output)
    card = dataset_info(_open(name, data_root, size, options, cache_dir))
    if output is not None:
        write_spread(output, card)
    if json_:
        write_json(card)
        return
    spread = card.pop("spread")
    for line in (*value_lines(card), *spread_lines(spread)):
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
    sha256: Annotated[
        str,
        typer.Option(
            help="Hash of the content of a sound copy, or its first digits.", metavar="HASH"
        ),
    ] = "",
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 on warnings, too.")] = False,
    cache_dir: CacheDir = None,
    json_: Json = False,
) -> int:
    """Check counts, files, pixels, hash, identities and leaks between splits; errors exit with 3.

    Example:
      python -m benchmark data verify market1501 --data-root DIR
    """
    from dataclasses import asdict

    from benchmark.cli import data_text
    from benchmark.core.errors import EXIT_DATA, EXIT_OK, DataError
    from benchmark.data.defect import Defect
    from benchmark.data.verify import verify_dataset

    _check_hash(sha256)
    counts: dict[str, Any] = {}
    try:
        dataset = _open(name, data_root, size, options, cache_dir)
        defects = verify_dataset(dataset, sha256)
        counts = data_text.counts_of(dataset)
    except DataError as error:
        asked = f"; the set is asked for at {_source(name)}" if _source(name) else ""
        defects = [Defect("error", "root", error.what, error.hint + asked)]
    levels = {one.level for one in defects}
    failed = "error" in levels
    if json_:
        shown = {
            split: {"found": found and asdict(found), "published": told and asdict(told)}
            for split, (found, told) in counts.items()
        }
        findings = [asdict(one) for one in defects]
        about = {"sound": not failed, "asked_for_at": _source(name)}
        write_json({**about, "counts": shown, "findings": findings})
    else:
        if counts:
            data_text.print_counts(counts)
        data_text.print_defects(defects)
        write_line(data_text.verdict(defects))
    return EXIT_DATA if failed or (strict and "warning" in levels) else EXIT_OK


def _check_hash(given: str) -> None:
    from benchmark.core.errors import UsageError

    if given and not re.fullmatch(r"[0-9a-fA-F]{8,64}", given):
        raise UsageError(
            f"--sha256 {given!r} is no SHA-256",
            "give 8 to 64 hexadecimal digits, as data info prints them",
        )


def _source(name: str) -> str:
    """Return where others are asked for a data set; empty if it is the user's own or rendered."""
    from benchmark.core.registry import DATASETS

    plugin = cast("type[Dataset]", DATASETS.get(name))
    return plugin.source if plugin.published else ""


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
