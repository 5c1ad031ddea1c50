"""Use a GPU for so many minutes: tests, bench, trainings by priority; goes on next time."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmark.bench.gpu_work.commands import Commands
from benchmark.bench.gpu_work.notes import Notes
from benchmark.bench.gpu_work.predictions import predicted_seconds
from benchmark.bench.gpu_work.run_list import Told, WorkList
from benchmark.bench.gpu_work.work_list import WORKS
from benchmark.core.errors import EXIT_ENVIRONMENT, EXIT_OK, BenchmarkError
from benchmark.core.provenance import git_commit

ROOT = Path(__file__).resolve().parents[3]
CONSOLE = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def main(arguments: list[str] | None = None, output: Path = ROOT / "runs" / "gpu") -> int:
    """Work through the list, or print it."""
    parser = argparse.ArgumentParser(prog="results/regenerate.sh gpu", description=__doc__)
    parser.add_argument(
        "minutes", type=_minutes, metavar="MINUTES", help="how long the GPU is lent"
    )
    parser.add_argument("--plan", action="store_true", help="print the list and start nothing")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[], help="these entries alone")
    options = parser.parse_args(arguments)
    known = [work.name for work in WORKS]
    if unknown := [name for name in options.only if name not in known]:
        parser.error(f"nothing on the list is called {unknown[0]!r}; there is {', '.join(known)}")
    on_gpu = torch.cuda.is_available()
    place = (torch.cuda.get_device_name() if on_gpu else "cpu", git_commit() or "unknown")
    notes = Notes.read(output / "notes.json")
    commands = Commands(ROOT, output, notes, place)
    work_list = WorkList(
        WORKS,
        notes,
        place,
        lambda work: predicted_seconds(work, notes, output),
        commands.start,
        time.monotonic,
    )
    if options.plan:
        Console().print(_planned(work_list, options.only))
        return EXIT_OK
    if not on_gpu:
        return _refused(
            "there is no CUDA device", "run it on a machine with a GPU; --plan shows the list here"
        )
    return _work(work_list.run(60 * options.minutes, options.only))


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < 1e5:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes; give one, such as 15")
    return minutes


def _work(all_told: Iterable[Told]) -> int:
    code = EXIT_OK
    try:
        for told in all_told:
            minutes = f"{told.seconds / 60:.1f} min"
            CONSOLE.print(
                f"{told.work.name}: {told.state}" + (f", {minutes}" if told.seconds else "")
            )
            code = code or told.code
    except KeyboardInterrupt:
        CONSOLE.print("stopped; the same command goes on")
        return 130
    except BenchmarkError as error:
        return _refused(error.what, error.hint)
    CONSOLE.print("what was finished lies in results/published/gpu*, to be looked at and committed")
    return code


def _refused(what: str, hint: str) -> int:
    CONSOLE.print(f"error: {what}\n  → {hint}")
    return EXIT_ENVIRONMENT


def _planned(work_list: WorkList, only: list[str]) -> Table:
    table = Table(
        "entry", "what", "state", "minutes", caption="minutes without what a defense prepares"
    )
    table.columns[-1].justify = "right"
    for work in work_list.works:
        if only and work.name not in only:
            continue
        note = work_list.notes.of(work.name)
        done = work_list.is_finished(work)
        state = "done" if done else "begun" if note.seconds else "open"
        seconds = note.seconds if done else work_list.predict(work)
        table.add_row(work.name, work.what, state, f"{seconds / 60:.1f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
