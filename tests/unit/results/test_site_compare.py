"""The page that compares two rows of a board: what it is given, and what it computes."""

from __future__ import annotations

import base64
import json
import math
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import results.render.site
from results.board.comparison import compare
from results.board.make_boards import make_boards
from results.board.packed_outcomes import NOT_COUNTED, STEPS, packed
from results.records.query_outcomes import QueryOutcome
from results.records.store import PerQuery
from results.render.site.compare import compare_files
from results.render.site.context import SiteContext, compare_path, row_id
from results.report.content import Glossary

SCRIPT = Path(results.render.site.__file__).parent / "assets" / "paired_tests.js"
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node to run it")

ROWS = ("weak", "strong")


def outcomes(rng: np.random.Generator, pids: np.ndarray, better: float) -> PerQuery:
    """Two attack seeds of one attack; query 3 has no match."""
    base = rng.random(len(pids))
    ap = {
        "clean": np.clip(0.6 + 0.4 * base, 0, 1),
        **{
            f"sma@8#{seed}": np.clip(base * rng.random(len(pids)) + better, 0, 1) for seed in (0, 1)
        },
    }
    for values in ap.values():
        values[3] = np.nan
    rank = {key: np.where(values > 0.5, 1, 4) for key, values in ap.items()}
    rank = {key: np.where(np.isnan(ap[key]), 0, values) for key, values in rank.items()}
    return PerQuery(pids.astype(str), pids, np.zeros_like(pids), ap, rank)


def site_of(make_record, make_attack, identities: int = 60, labels=(None, None), **changes):
    """Two rows of three trainings, and what the site is told of them."""
    rng = np.random.default_rng(1)
    pids = np.repeat(np.arange(identities) * 7, 4)
    records, measured = [], {}
    for place, name in enumerate(ROWS):
        for seed in range(3):
            attacks = [make_attack("sma", 30.0 + 5 * place, **changes)]
            worst = {"map": 30, "rank1": 30, "ci95_map": (29, 31), "attacks": ["sma@8"]}
            made = make_record(name, seed, attacks=attacks, worst_case=worst, label=labels[place])
            records.append(made)
            measured[made.id] = outcomes(rng, pids, 0.02 * place)
    boards = make_boards(records, measured)
    return SiteContext(boards, measured, {}, Glossary({}, {})), boards[0]


def in_node(script: str) -> Any:
    prelude = f"{SCRIPT.read_text()};globalThis.PairedTests = PairedTests;"
    done = subprocess.run(
        ["node", "-e", prelude + script], capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


def computed(context: SiteContext, board) -> list[dict[str, Any]]:
    """Return what the script says of the first two rows of a board, from the files of the site."""
    files = compare_files(context, board)
    folder = compare_path(board).removesuffix("compare.html")
    page = files[compare_path(board)]
    data = page.partition('id="comparison">')[2].partition("</script>")[0]
    rows = "".join(files[f"{folder}outcomes/{row_id(row)}.js"] for row in board.rows[:2])
    return in_node(
        f"""const got = [], data = {data};
        const receiveOutcomes = (_, trainings) =>
          got.push(trainings.map((one) => one.under.map(PairedTests.unpacked)));
        {rows}
        console.log(JSON.stringify(data.contrasts.map((_, n) => PairedTests.contrast(
          got[0].map((one) => one[n]), got[1].map((one) => one[n]), data.identities))));"""
    )


def test_outcomes_are_rounded_to_16_bits_and_a_bit():
    outcome = QueryOutcome(
        np.array([[0.0, 1.0, np.nan, 0.25]]), np.array([[False, True, False, True]])
    )
    found = packed(outcome)
    steps = np.frombuffer(base64.b64decode(found.ap), "<u2")
    assert steps.tolist() == [0, STEPS, NOT_COUNTED, round(STEPS / 4)]
    assert base64.b64decode(found.first[0]) == bytes([0b1010])


@needs_node
@pytest.mark.parametrize("identities", [60, 9])
def test_the_browser_computes_what_compare_does(make_record, make_attack, identities):
    context, board = site_of(make_record, make_attack, identities)
    first, second = board.rows[:2]
    expected = compare(board, first, second, context.measured)
    found = computed(context, board)
    assert len(found) == len(expected.contrasts) == 3
    for ours, theirs in zip(found, expected.contrasts, strict=True):
        assert ours["ours"] == pytest.approx(theirs.ours, abs=0.002)
        assert ours["theirs"] == pytest.approx(theirs.theirs, abs=0.002)
        assert ours["bySeed"] == pytest.approx(list(theirs.by_seed.values()), abs=0.002)
        assert ours["flips"] == pytest.approx(theirs.flips)
        assert ours["effect"] == pytest.approx(theirs.effect, abs=0.001)
        # Of 1,000 and 2,000 draws each: ends of intervals differ by parts of their width.
        for own, other in ((ours["given"], theirs.given), (ours["crossed"], theirs.crossed)):
            assert own == pytest.approx(other, abs=0.12 * (other[1] - other[0]))
        deviation = math.sqrt(2 * theirs.p * (1 - theirs.p) / 10_000)
        assert ours["p"] == pytest.approx(theirs.p, abs=4 * deviation if identities > 13 else 0.005)


@needs_node
def test_all_patterns_are_tried_where_they_are_few():
    from results.statistics.significance import sign_flip_p

    sums = [0.5, -0.25, 1.0, 0.125]
    found = in_node(f"console.log(PairedTests.signFlipP({sums}))")
    assert found == pytest.approx(float(sign_flip_p(sums)[0]))


def test_numbers_that_are_no_ap_stay_in_their_range():
    outcome = QueryOutcome(np.array([[7.0, -1.0, np.inf]]), np.zeros((1, 3), bool))
    steps = np.frombuffer(base64.b64decode(packed(outcome).ap), "<u2")
    assert steps.tolist() == [STEPS, 0, STEPS]


@needs_node
def test_queries_of_which_none_counts_say_nothing():
    outcome = QueryOutcome(np.full((1, 2), np.nan), np.zeros((1, 2), bool))
    one = json.dumps(asdict(packed(outcome)))
    script = f"const one = [PairedTests.unpacked({one})];"
    assert in_node(f"{script}console.log(PairedTests.contrast(one, one, [0, 1]))") is None


@needs_node
def test_rows_that_are_the_same_do_not_differ():
    assert in_node(f"console.log(PairedTests.signFlipP({[0.0] * 40}))") == 1


def test_a_label_cannot_leave_its_place(make_record, make_attack):
    label = "</script><script>alert(1)</script>"
    context, board = site_of(make_record, make_attack, labels=(label, None))
    files = compare_files(context, board)
    assert all("<script>alert" not in text for text in files.values())
    page = files[compare_path(board)]
    data = json.loads(page.partition('id="comparison">')[2].partition("</script>")[0])
    assert label in [row["label"] for row in data["rows"]]


def test_what_cannot_be_compared_says_why(make_record, make_attack):
    context, board = site_of(make_record, make_attack)
    lost = {record.id for record in board.rows[0].records}
    kept = {id_: one for id_, one in context.measured.items() if id_ not in lost}
    files = compare_files(SiteContext(context.boards, kept, {}, context.glossary), board)
    assert len(files) == 2
    assert "n/a: the outcomes of its queries" in files[compare_path(board)]

    other = dict(context.measured)
    for record in board.rows[1].records:
        one = other[record.id]
        names = np.char.add(one.queries, "x")
        other[record.id] = PerQuery(names, one.pids, one.camids, one.ap, one.rank)
    files = compare_files(SiteContext(context.boards, other, {}, context.glossary), board)
    assert "n/a: it answers other queries" in files[compare_path(board)]


def test_boards_of_targets_are_not_compared(make_record, make_attack):
    context, board = site_of(make_record, make_attack, intent="rank-down", target_rule="random")
    files = compare_files(context, board)
    assert list(files) == [compare_path(board)]
    assert "have targets" in files[compare_path(board)]


def test_a_row_takes_little_room(make_record, make_attack):
    context, board = site_of(make_record, make_attack, identities=76)
    sizes = [len(text) for path, text in compare_files(context, board).items() if ".js" in path]
    assert max(sizes) < 12_000  # 304 queries, three trainings, three contrasts
