"""Records and configurations that are broken at random: every reader answers, and none crashes.

By hand: ``python -m tests.fuzz CASES [FIRST_SEED]``; tests run a few of each kind.
"""

from __future__ import annotations

import io
import json
import random
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import yaml

PUBLISHED = Path(__file__).resolve().parents[1] / "results" / "published" / "board-cross"
HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 7, 10**18, 10**30, 10**400, -(10**400), 0.0, -0.0, 1e-320, 0.5,
    99.999, 100, 101, 1e300, float("nan"), float("inf"), "", "x", "none", "clean", "linf", "l2",
    "<script>alert(1)</script>", "../../x", "/etc/passwd", "..", ".", "a\x00b", "\x1b[2J", "\u202e",
    "=1+1", "[/]", "[red]", "{{ 7*7 }}", "%s", "a|b\nc", "é" * 400, "x" * 5000, "1/0", "8/255",
    [], {}, [[]], [None], [1, "a", {}], {"": 0}, {"a": {"b": {"c": []}}}, ["sma", "sma"],
)  # fmt: skip
"""Values that go in the place of others."""


def mutated(value: Any, draw: random.Random) -> Any:
    """Return a JSON value with one to three places changed: replaced, removed, doubled, swapped."""
    value = json.loads(json.dumps(value))
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        places = list(_places(value))
        if not places:
            break
        owner, key = draw.choice(places)
        action = draw.randrange(6)
        if action <= 2:
            owner[key] = draw.choice(HOSTILE)
        elif action == 3:
            del owner[key]
        elif action == 4 and isinstance(owner, list):
            owner.insert(key, owner[key])
        elif action == 4:
            owner[str(draw.choice(HOSTILE))] = owner[key]
        else:
            other, place = draw.choice(places)
            owner[key] = json.loads(json.dumps(other[place]))
    return value


def _places(value: Any) -> Any:
    """Yield all places within a value that can be changed."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def mutated_text(text: str, draw: random.Random) -> bytes:
    """Return a text with some bytes cut, doubled or changed."""
    content = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(draw.choice((1, 2, 5))):
        at = draw.randrange(len(content)) if content else 0
        action = draw.randrange(4)
        if action == 0:
            del content[at : at + draw.choice((1, 10, 1000))]
        elif action == 1:
            content[at:at] = content[at : at + draw.choice((1, 30, 300))]
        elif action == 2:
            content[at : at + 1] = bytes([draw.randrange(256)])
        else:
            content[at:at] = draw.choice((b"[" * 2000, b"1" * 5000, b"\xff", b"\\ud800", b"NaN"))
    return bytes(content)


def mutated_arrays(path: Path, draw: random.Random) -> None:
    """Change one array of an NPZ file, or the bytes of the file."""
    if draw.random() < 0.4:
        content = bytearray(path.read_bytes())
        for _ in range(draw.choice((1, 3, 20))):
            content[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(content)
        return
    with np.load(path) as stored:
        arrays = dict(stored)
    name = draw.choice(sorted(arrays))
    one = arrays[name]
    changes: tuple[Callable[[], Any], ...] = (
        lambda: one[:-1],
        lambda: one[None],
        lambda: np.zeros(0),
        lambda: np.full(one.shape, np.nan),
        lambda: np.full(one.shape, -3),
        lambda: np.full(one.shape, 2**62),
        lambda: one.astype(str),
        lambda: np.array([{"a": 1}] * len(one), dtype=object),
        lambda: np.concatenate([one, one]),
        lambda: np.zeros_like(one),
    )
    if draw.random() < 0.2:
        del arrays[name]
    elif draw.random() < 0.2:
        arrays[draw.choice(("ap/x@8", "rank/", "ap/clean#x", "ap/../x", "\x1b"))] = one
    else:
        arrays[name] = draw.choice(changes)()
    np.savez_compressed(path, **arrays)


def read_by_all(folder: Path, *, compares: bool) -> None:
    """Show a folder of records to every reader.

    Args:
        folder: Of records.
        compares: Whether rows are compared, too, which takes as long as all the rest.

    Raises:
        RecordError: What a reader answers to a record that it refuses.
    """
    from rich.console import Console

    from results.board.comparison import compare
    from results.board.make_boards import make_boards
    from results.records.query_outcomes import read_measured
    from results.records.ranked_lists import load_ranked_lists
    from results.records.store import read_record_files
    from results.render.console import print_leaderboard
    from results.render.leaderboard import texts
    from results.render.report_page import report_page
    from results.report.build import make_report
    from results.report.content import Glossary
    from results.submission.difference import difference_markdown
    from results.submission.grid_checks import grid_problems
    from results.submission.record_checks import record_problems

    records, measured = read_measured([folder])
    for path, record in read_record_files([folder]):
        list(record_problems(path, record))
    list(grid_problems(records, ("sma",)))
    boards = make_boards(records, measured)
    texts(boards, ("md", "csv", "json"))
    print_leaderboard(boards, Console(file=io.StringIO(), width=100))
    difference_markdown(boards[:1], boards)
    path, record = read_record_files([folder])[0]
    made = make_report(
        record,
        outcomes=measured.get(record.id),
        lists=load_ranked_lists(path),
        published=records,
        glossary=Glossary(attacks={}, flags={}),
    )
    report_page(made)
    for board in boards:
        if compares and len(board.rows) > 1:
            compare(board, board.rows[0], board.rows[1], measured)


def record_case(seed: int, healthy: Path) -> str:
    """Break one of some healthy records and read them all; return what came of it."""
    from results.errors import RecordError

    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for path in healthy.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        victim = draw.choice(sorted(folder.glob("*.json")))
        kind = draw.random()
        if kind < 0.55:
            content = mutated(json.loads(victim.read_text()), draw)
            victim.write_text(json.dumps(content), "utf-8")
        elif kind < 0.7:
            victim.write_bytes(mutated_text(victim.read_text(), draw))
        else:
            mutated_arrays(victim.with_name(victim.stem + ".per_query.npz"), draw)
        try:
            read_by_all(folder, compares=seed % 8 == 0)
        except RecordError as error:
            return _refused(error.what)
    return "read"


def config_case(seed: int, folder: Path) -> str:
    """Break a preset and load it as a user's file; return what came of it."""
    from benchmark.config.load import load_run_config
    from benchmark.config.presets import preset_names, read_preset
    from benchmark.core.errors import BenchmarkError
    from benchmark.runner.choice import choose

    draw = random.Random(seed)
    content = {"defense": ["ddid", "none"], **read_preset(draw.choice(preset_names()))}
    content.setdefault("attack_config", {"sma": {"steps": 3}})
    content.setdefault("eps", [4, 8])
    path = folder / "fuzzed.yaml"
    if draw.random() < 0.7:
        path.write_text(yaml.safe_dump(mutated(content, draw)), "utf-8")
    else:
        path.write_bytes(mutated_text(yaml.safe_dump(content), draw))
    try:
        choose(load_run_config({"preset": str(path)}))
    except BenchmarkError as error:
        return _refused(error.what)
    return "read"


def _refused(what: str) -> str:
    """Check that an error is one line that a terminal may show."""
    if not what or "\n" in what:
        raise AssertionError(f"an error that is not one line: {what!r}")
    return "refused"


def healthy_records(folder: Path) -> Path:
    """Copy two published rows, of one seed each, into a new folder."""
    folder.mkdir()
    for path in PUBLISHED.iterdir():
        if path.name.startswith(("free-at--", "pgd-at--")) and "--seed0--" in path.name:
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


def run(first: int, cases: int) -> tuple[Counter[str], list[str]]:
    """Try as many records and configurations; return what came of them, and the crashes."""
    seen: Counter[str] = Counter()
    crashes = []
    with tempfile.TemporaryDirectory() as place:
        healthy = healthy_records(Path(place) / "healthy")
        for seed in range(first, first + cases):
            kind, case = [("record", record_case), ("configuration", config_case)][seed % 2]
            try:
                with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
                    end = case(seed, healthy if kind == "record" else Path(place))
                seen[f"{kind} {end}"] += 1
            except Exception:
                crashes.append(f"{kind}, seed {seed}:\n{traceback.format_exc(limit=-6)}")
    return seen, crashes


if __name__ == "__main__":
    counts, failed = run(int(sys.argv[2]) if len(sys.argv) > 2 else 0, int(sys.argv[1]))
    for text in failed:
        print(text)
    print(dict(counts), f"{len(failed)} crashes")
    sys.exit(bool(failed))
