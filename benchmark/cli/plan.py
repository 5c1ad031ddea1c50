"""``plan``: what `run` would do with the same options; computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.cli import options as o
from benchmark.cli.screen import write_json

if TYPE_CHECKING:
    from benchmark.config.schema import RunConfig
    from benchmark.runner.preview import Preview


@o.takes_run_options
def plan(config: RunConfig, json_: bool) -> int:
    """Show what `run` would do with the same options: cells, minutes, disk, missing data.

    Minutes are predicted from earlier runs into the same output folder, else from constants.

    Example:
      python -m benchmark plan --defense none,metric-at,ddid --seed 0 1 2
    """
    from benchmark.core.errors import EXIT_DATA, EXIT_OK
    from benchmark.runner.preview import preview

    shown = preview(config)
    if json_:
        write_json(shown.as_json())
    else:
        _print(shown)
    return EXIT_DATA if shown.missing else EXIT_OK


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.1f} min"


def _print(shown: Preview) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("Defense", "Seed", "Cell", "Fingerprint"):
        table.add_column(title, overflow="fold")
    table.add_column("Time", justify="right")
    for cell in shown.cells:
        cost = "finished" if cell.finished else _duration(cell.seconds)
        table.add_row(cell.defense, str(cell.seed), cell.title, cell.fingerprint[:8], cost)
    console = Console(highlight=False)
    console.print(table)
    done = sum(cell.finished for cell in shown.cells)
    console.print(f"{len(shown.cells)} cells, {done} finished; protocol {shown.protocol[:8]}")
    time = _duration(60 * shown.minutes)
    if shown.workers > 1:
        time += f" of work, {_duration(60 * shown.wall_minutes)} with {shown.workers} workers"
    console.print(
        f"about {time}, {shown.disk_bytes / 2**20:.0f} MiB of disk "
        f"({shown.free_bytes / 2**30:.1f} GiB free)"
    )
    for name, where in shown.found.items():
        console.print(f"found: {name} in {where}", markup=False, soft_wrap=True)
    if shown.to_render:
        console.print(f"to be rendered or decoded first: {', '.join(shown.to_render)}")
    for line in shown.missing:
        console.print(f"missing: {line}", markup=False, soft_wrap=True)
