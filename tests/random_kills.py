"""Kill a run of two workers at random, over and over, and compare its records with a quiet run's.

    python -m tests.random_kills --kills 200 --output DIR -- --preset smoke --defense none

What follows ``--`` are options of ``run``. The driver or one of its workers is killed (SIGKILL)
after so many seconds of work since the last kill or, where a driver was started anew, since it got
to work. Seconds are those that two busy cores would take for the processor time that was used: on a
machine that others use, too, nothing would ever get past the start of a worker. A grid that is
finished before all kills are spent is begun again in another folder.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

PACE = ("seconds", "images_per_second", "share_of_bare")
WORKERS = 2
TIMELESS = (*PACE, "peak_memory_bytes", "per_query", "environment", "environments")


def main() -> None:
    """Run the storm and leave with 1 if a record differs or something was computed twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seconds", type=float, nargs=2, default=(3.0, 12.0))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("run", nargs="+")
    given = parser.parse_args()
    storm = Storm(given.output, given.run, given.kills, tuple(given.seconds), given.seed)
    sys.exit(0 if storm.run() else 1)


class Storm:
    """Kills drivers and workers.

    Args:
        folder: Where everything goes.
        options: Options of ``run``.
        kills: How many.
        seconds: Shortest and longest time between two.
        seed: Of what is random.
    """

    def __init__(
        self, folder: Path, options: list[str], kills: int, seconds: tuple[float, ...], seed: int
    ) -> None:
        self.folder, self.options, self.kills, self.seconds = folder, options, kills, seconds
        self.random = random.Random(seed)
        self.counts: Counter[str] = Counter()

    def run(self) -> bool:
        """Return whether all records are those of a quiet run and nothing was computed twice."""
        quiet = self.folder / "quiet"
        if not records(quiet):
            self._start(quiet, workers=1).wait()
        expected, grids, sound = records(quiet), 0, True
        while self.counts["killed"] < self.kills:
            output = self.folder / f"stormy-{grids}"
            while (code := self._stormy(output)) != 0:
                self.counts[f"driver ended with {code}"] += 1
            differing = [key for key, one in records(output).items() if one != expected.get(key)]
            twice = computed_twice(output)
            same = not differing and records(output).keys() == expected.keys()
            sound = sound and same and not twice
            grids += 1
            print(
                f"grid {grids}: {dict(self.counts)}, {len(expected)} records, "
                f"{len(differing)} differ, {len(twice)} units computed twice",
                flush=True,
            )
        return sound

    def _start(self, output: Path, workers: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "benchmark", "run", *self.options]
        output.mkdir(parents=True, exist_ok=True)
        with (output / "screen.txt").open("ab") as screen:
            return subprocess.Popen(
                [*command, "--workers", str(workers), "--output", str(output)],
                stdout=screen,
                stderr=screen,
            )

    def _stormy(self, output: Path) -> int:
        """Run the grid, killing; return the exit code of its driver."""
        journal = output / "journal.jsonl"
        before = len(lines_of(journal))
        driver = self._start(output, workers=WORKERS)
        while driver.poll() is None and len(lines_of(journal)) == before:
            time.sleep(0.05)
        while self.counts["killed"] < self.kills:
            until = processor_seconds(driver.pid) + WORKERS * self.random.uniform(*self.seconds)
            while processor_seconds(driver.pid) < until:
                if driver.poll() is not None:
                    return driver.returncode
                time.sleep(0.05)
            victims = children_of(driver.pid)
            is_driver = self.random.random() < 0.5 or not victims
            self.counts["killed"] += 1
            self.counts["drivers" if is_driver else "workers"] += 1
            os.kill(driver.pid if is_driver else self.random.choice(victims), signal.SIGKILL)
            print(f"kill {self.counts['killed']}: {dict(self.counts)}", flush=True)
            if is_driver:
                return driver.wait()
        return driver.wait()


def children_of(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(one) for one in text.split()]


def processor_seconds(driver: int) -> float:
    """Return what a driver and its workers have used."""
    ticks = 0
    for pid in (driver, *children_of(driver)):
        with suppress(OSError):
            used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(used[11]) + int(used[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def lines_of(journal: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a journal."""
    found = []
    for line in journal.read_text().splitlines() if journal.exists() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def computed_twice(output: Path) -> list[tuple[str, str | None]]:
    """Return the cells and parts that the journal says were computed to their end twice."""
    ends = [e for e in lines_of(output / "journal.jsonl") if e["event"] in ("part", "finished")]
    counts = Counter((event["cell"], event.get("part")) for event in ends)
    return [key for key, times in counts.items() if times > 1]


def records(output: Path) -> dict[str, object]:
    """Return the records in a folder without what two runs differ in, by file name."""
    return {
        path.name: _timeless(json.loads(path.read_text()))
        for path in sorted((output / "records").glob("*.json"))
    }


def _timeless(value: object) -> object:
    if isinstance(value, dict):
        return {key: _timeless(one) for key, one in value.items() if key not in TIMELESS}
    return [_timeless(one) for one in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
