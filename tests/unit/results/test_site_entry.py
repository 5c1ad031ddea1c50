"""The page of a row of the site: what it says, and what it says where there is nothing."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from results.board.make_boards import make_boards
from results.records.ranked_lists import RankedLists, write_ranked_lists
from results.render.site import entry_build
from results.render.site.context import SiteContext, entry_path, row_id
from results.render.site.entry import entry_pages
from results.render.site.entry_attacks import attacks_of, headline
from results.report.content import FlagHelp, Glossary
from results.report.publication import Publication
from results.trust.statement import Trust

HOSTILE = "</script><script>alert(1)</script>\"'<img src=x onerror=alert(1)>"
WORDS = Glossary({"sma": "Pushes embeddings apart."}, {"weak": FlagHelp("It is weak.", "Look.")})


def site_of(*records, **changes) -> SiteContext:
    return SiteContext(make_boards(records), {}, changes.pop("files", {}), WORDS, **changes)


def page_of(context: SiteContext, place: int = 0) -> str:
    return entry_pages(context)[entry_path(context.boards[0].rows[place])]


def text_of(page: str) -> str:
    """Return what a page says, without its marks."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def swept(make_attack, value: float):
    return [
        *(make_attack("sma", value + 8 - eps, eps) for eps in (2.0, 4.0, 8.0)),
        make_attack("random-noise", 58.0),
        make_attack(
            "square",
            value + 3,
            knowledge="score",
            queries=900,
            curve=[
                {"queries": 100, "map": 50.0},
                {"queries": 900, "map": value + 3},
            ],
        ),
    ]


@pytest.fixture
def row(make_record, make_attack):
    """Three trainings at three budgets, with a flag and another data set."""
    return [
        make_record(
            "ddid",
            seed,
            cross=True,
            attacks=[
                *swept(make_attack, 30.0 + seed),
                make_attack("fna", 45.0, flags=[{"id": "weak", "message": f"seen {seed}"}]),
            ],
            worst_case={
                "map": 29.0 + seed,
                "rank1": 35.0,
                "ci95_map": (25.0, 33.0),
                "attacks": ["sma@8", "square@8", "fna@8"],
            },
            worst_by_eps=[{"eps": e, "map": 37.0 + seed - e, "rank1": 40} for e in (2, 4, 8)],
            per_query=f"ddid-{seed}.per_query.npz",
        )
        for seed in range(3)
    ]  # fmt: skip


def test_numbers_are_means_over_trainings(row):
    board = site_of(*row).boards[0]
    found = headline(board.rows[0])
    assert found.worst_map == pytest.approx((30.0, 1.0))
    assert found.ci95 == pytest.approx((25.0, 33.0))
    assert found.kept == pytest.approx(100 * 30 / 58.5)
    assert found.eps == 8


def test_the_strongest_attack_that_counts_is_marked(row):
    board = site_of(*row).boards[0]
    attacks = {one.label: one for one in attacks_of(board, board.rows[0])}
    assert [label for label, one in attacks.items() if one.strongest] == ["sma@8"]
    assert not attacks["random-noise@8"].counted
    assert attacks["sma@8"].map == pytest.approx((31.0, 1.0))


def test_an_attack_that_one_training_did_not_meet_is_left_out(make_record, make_attack):
    first = make_record("ddid", 0, attacks=[make_attack("sma", 30), make_attack("fna", 20)])
    second = make_record("ddid", 1, attacks=[make_attack("sma", 30)], worst_case=None)
    context = site_of(first, second.model_copy(update={"worst_case": first.worst_case}))
    board = context.boards[0]
    assert [one.label for one in attacks_of(board, board.rows[0])] == ["sma"]


def test_a_page_says_all_of_a_row(row):
    board = site_of(*row).boards[0]
    command = "python -m benchmark run --defense ddid"
    context = site_of(
        *row,
        commands={row_id(board.rows[0]): command},
        published={row[0].id: "2026-11-28"},
    )
    page = page_of(context)
    text = text_of(page)
    for said in (
        command,
        "30.0 ± 1.0",
        "25.0 to 33.0",
        row[1].id,
        row[0].protocol.fingerprint,
        row[0].defense.source_sha256,
        "training seed 2: seen 2",
        "It means: It is weak.",
        "2026-11-28",
        "n/a: not in the history of a repository",
        "ddid-1.per_query.npz",
        "synthped-campus",
        "Pushes embeddings apart.",
        "numpy",
    ):
        assert said in text, said
    assert page.count("<polyline") == 3  # the worst case and sma over budgets, square over answers
    assert f"compare.html#a={row_id(board.rows[0])}" not in page  # it is alone
    assert len(re.findall(r'id="([^"]+)"', page)) == len(set(re.findall(r'id="([^"]+)"', page)))


def test_what_is_missing_says_why(make_record):
    page = page_of(site_of(make_record("none", attacks=[])))
    text = text_of(page)
    assert text.count("n/a: ") >= 8
    assert "n/a: no command is known" in text
    assert "Nothing was attacked" in text
    assert "<td></td>" not in page.replace("\n", "")


def test_other_rows_of_the_defense_are_its_history(make_record, make_attack):
    attacks = [make_attack("sma", 20.0)]
    context = site_of(
        make_record("ddid", attacks=attacks),
        make_record("ddid", attacks=attacks, config={"epochs": 31}),
        make_record("ddid", attacks=attacks, protocol="9f8e7d6c" * 8),
        make_record("none", attacks=attacks),
    )
    board = next(one for one in context.boards if len(one.rows) == 3)
    row = next(one for one in board.rows if one.records[0].defense.name == "ddid")
    page = entry_pages(context)[entry_path(row)]
    history = page.partition('<section id="history">')[2].partition("</section>")[0]
    assert history.count("<tr") == 4
    assert "9f8e7d6c" in history
    assert f"compare.html#a={row_id(row)}" in page


def test_nothing_in_a_record_becomes_a_mark(make_record, make_attack):
    attack = make_attack("sma", 20.0, flags=[{"id": HOSTILE, "message": HOSTILE}])
    record = make_record(
        HOSTILE,
        attacks=[attack],
        config={HOSTILE: HOSTILE},
        label=HOSTILE,
        dataset="../../" + HOSTILE,
    )
    context = site_of(record, commands={}, published={record.id: HOSTILE})
    (path,) = entry_pages(context)
    assert re.fullmatch(r"entries/[0-9a-f]{12}\.html", path)
    page = page_of(context)
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_ranked_lists_show_pictures_where_they_are_kept(tmp_path: Path, make_record):
    record = make_record()
    ones = np.ones((1, 2), bool)
    lists = RankedLists(
        "sma@8", np.array([4]), np.array([[1, 2]]), np.array([[2, 1]]), ones, ones,
        {"query/4": b"\x89PNG-"},
    )  # fmt: skip
    file = tmp_path / "one.json"
    write_ranked_lists(lists, file)
    page = page_of(site_of(record, files={record.id: file}))
    assert "data:image/png;base64," in page
    assert "one.ranked_lists.npz" in page


def test_trust_tells_the_level_and_each_statement(row, monkeypatch):
    stated = (
        Trust("reproduced", "A lab", "2026-11-01", "Trained anew.", "https://example.org/1"),
        Trust("attacked", "Others", "2026-10-01", "It held.", "https://example.org/2"),
    )
    monkeypatch.setattr(entry_build, "shipped", lambda: {one.id: stated for one in row})
    text = text_of(page_of(site_of(*row)))
    assert "now run by the harness" in text
    assert text.index("by another party was attempted (Others") < text.index("(A lab, 2026-11-01)")
    assert text.count("Trained anew.") == 1


def test_papers_stand_below_the_card(row):
    paper = Publication(
        "a-2024", ("Ada, A.",), "On it", "ICCV", 2024, identifier="arXiv:2401.00001"
    )
    words = Glossary({}, {}, {"defense/ddid": (paper,)})
    page = page_of(SiteContext(make_boards(row), {}, {}, words))
    assert '<a href="https://arxiv.org/abs/2401.00001"' in page
