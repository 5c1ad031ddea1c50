"""The robustness report: its numbers, its page, and what it says where something is not known."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from html.parser import HTMLParser

import numpy as np
import pytest

from results.records.ranked_lists import RankedLists, load_ranked_lists, write_ranked_lists
from results.records.store import PerQuery, load_per_query, write_record
from results.render.report_page import report_page
from results.report.build import make_report
from results.report.content import FlagHelp, Glossary

SECTIONS = (
    "result",
    "threat",
    "flags",
    "attacks",
    "budgets",
    "identities",
    "lists",
    "other-data",
    "standing",
    "making",
)
VOID = {"meta", "link", "img", "br", "rect", "line", "circle", "polyline"}
NAMES = ["0001_c1s1_1.jpg", "0001_c1s1_2.jpg", "0002_c1s1_1.jpg", "0003_c1s1_1.jpg"]
PICTURE = b"\x89PNG of nobody"


class Page(HTMLParser):
    """What a reader of the page finds: text by section, and every address that it names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sections: dict[str, str] = {}
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.without_alt = 0
        self._open: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        self.loaded += [given[key] for key in ("src", "srcset", "data", "poster") if key in given]
        if "href" in given:
            (self.links if tag == "a" else self.loaded).append(given["href"])
        self.without_alt += tag == "img" and not given.get("alt")
        if tag not in VOID:
            self._open.append((tag, given.get("id", "") if tag == "section" else ""))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self._open.pop()[0] == tag

    def handle_data(self, data):
        for name in (name for _, name in self._open if name):
            self.sections[name] = self.sections.get(name, "") + data + " "


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def outcomes():
    ap = {"clean": [1.0, 0.5, 0.9, np.nan], "sma": [0.5, 0.1, 0.3, np.nan]}
    ap |= {"random-noise": [1.0, 0.5, 0.9, np.nan], "fna": [0.6, 0.05, 0.2, np.nan]}
    rank = {key: np.array([1, 3, 1, 0]) for key in ap}
    pids, camids = np.array([1, 1, 2, 3]), np.ones(4, np.int64)
    arrays = {key: np.array(values) for key, values in ap.items()}
    return PerQuery(np.array(NAMES), pids, camids, arrays, rank)


@pytest.fixture
def lists():
    rows, match = np.array([[7, 4, -1]]), np.array([[True, False, False]])
    pictures = {"query/2": PICTURE, "attacked/2": PICTURE, "gallery/7": b"\xff\xd8 nobody"}
    return RankedLists("sma", np.array([2]), rows, rows[:, ::-1], match, match[:, ::-1], pictures)


def test_every_section_is_there_and_nothing_is_loaded(make_record, outcomes, lists):
    record = make_record(cross=True)
    report = make_report(record, outcomes=outcomes, lists=lists, published=[make_record("none")])
    text = report_page(report, lists.pictures)
    page = Page(text)
    assert tuple(page.sections) == SECTIONS
    assert all(one.startswith("data:") for one in page.loaded)
    assert not page.links
    assert "script" not in page.tags
    assert not re.search(r"@import|url\(|https?://", text)
    assert page.without_alt == 0
    assert page.tags.count("h1") == 1
    assert page.tags.count("caption") == page.tags.count("table")
    assert text == report_page(report, lists.pictures)


def test_the_numbers_are_those_of_the_record(make_record, make_attack, outcomes):
    record = make_record(attacks=[make_attack("sma", 31.04, None), make_attack("fna", 18.96, None)])
    report = make_report(record, outcomes=outcomes)
    page = Page(report_page(report))
    attacks = words(page.sections["attacks"])
    for one in record.attacks:
        low, high = one.ci95_map
        row = f"{one.name} – {one.map:.1f} {low:.1f} to {high:.1f} {one.rank1:.1f}"
        assert row in attacks
        assert f"{one.forwards:,}" in attacks
    worst = record.worst_case
    assert f"mAP {worst.map:.1f}, 95 % interval" in words(page.sections["result"])
    assert report.worst.kept == worst.map / record.clean.map
    assert f"{record.clean.rank1:.1f} % of the queries" in words(page.sections["result"])
    spread = report.spread
    assert spread.identities == 2
    assert (spread.clean.lowest, spread.clean.highest) == pytest.approx((75, 90))
    assert (spread.worst.lowest, spread.worst.highest) == pytest.approx((20, 27.5))
    assert spread.variance == pytest.approx((56.25, 14.0625))
    assert (sum(spread.bins[0]), sum(spread.bins[1])) == (2, 2)
    json.dumps(asdict(report), allow_nan=False)


def test_budgets_make_a_curve_and_the_headline_has_its_own(make_record, make_attack):
    attacks = [make_attack("sma", 50.0 - 5 * eps, eps) for eps in (2.0, 4.0, 8.0)]
    worst = {"map": 9.0, "rank1": 8.0, "ci95_map": (7.0, 11.0), "attacks": ["sma@8"]}
    sweep = [{"eps": eps, "map": 49 - 5 * eps, "rank1": 30.0} for eps in (2.0, 4.0, 8.0)]
    record = make_record(attacks=attacks, worst_case=worst, worst_by_eps=sweep)
    report = make_report(record)
    assert [one.attack for one in report.curves] == ["worst case", "sma"]
    assert report.curves[1].points == ((0.0, 58.5), (2.0, 40.0), (4.0, 30.0), (8.0, 10.0))
    assert [one.headline for one in report.attacks] == [False, False, True]
    assert report.worst.eps == 8
    budgets = words(Page(report_page(report)).sections["budgets"])
    assert "sma 58.5 40.0 30.0 10.0" in budgets


def test_flags_are_explained_once_with_all_that_was_seen(make_record, make_attack):
    flag = {"id": "not-monotone-in-eps", "message": "12 is <more> than 11"}
    attacks = [make_attack("sma", 12.0, eps, flags=[flag]) for eps in (4.0, 8.0)]
    glossary = Glossary({}, {flag["id"]: FlagHelp("it does not use its budget", "look at steps")})
    report = make_report(make_record(attacks=attacks), glossary=glossary)
    text = words(Page(report_page(report)).sections["flags"])
    assert text.count("It means: it does not use its budget") == 1
    assert "Seen under sma@4: 12 is <more> than 11." in text
    assert "Seen under sma@8" in text
    assert "1 sanity flag is raised" in report.summary[-1]


def test_ranked_lists_show_rendered_people_and_only_rows_of_real_ones(
    make_record, outcomes, lists, tmp_path
):
    record = make_record()
    report = make_report(record, outcomes=outcomes, lists=lists)
    (query,) = report.listed.queries
    assert (query.row, query.ap, query.attacked_ap) == (2, 90.0, 30.0)
    assert [one.row for one in query.clean] == [7, 4]
    assert [one.match for one in query.attacked] == [False, True]
    shown = report_page(report, lists.pictures)
    assert shown.count('src="data:image/png;base64,') == 2
    assert shown.count('src="data:image/jpeg;base64,') == 2
    real = report_page(report)
    assert "<img" not in real
    assert "no image of a real person is shown" in real
    assert not [name for name in NAMES if name in real]
    path = write_record(record, tmp_path, {record.dataset: outcomes})
    assert load_ranked_lists(path) is None
    write_ranked_lists(lists, path)
    again = load_ranked_lists(path)
    assert again.pictures == lists.pictures
    assert again.attack == "sma"
    np.testing.assert_array_equal(again.attacked, lists.attacked)
    assert load_per_query(tmp_path / "records" / f"{path.stem}.per_query.npz")


def test_it_stands_among_rows_of_its_own_protocol_alone(make_record):
    own = make_record(attacks=[])
    assert make_report(own, published=[own]).standing is None
    own = make_record("ddid", seed=1)
    peers = [make_record("none", seed=seed, clean=40 + 3 * seed) for seed in (0, 1)]
    other = make_record("metric-at", protocol="2b" * 32)
    report = make_report(own, published=[*peers, make_record("ddid"), own, other])
    labels = [(one.label, one.is_this, one.holds_this) for one in report.standing.rows]
    assert labels[0][0] == "ddid"
    assert [one for one in labels if one[1]] == [("ddid", True, False)]
    assert {name for name, *_ in labels} == {"ddid", "none"}
    assert [one for one in labels if one[2]] == [("ddid", False, True)]
    assert make_report(own, published=[other]).standing is None
    assert "No published row has the protocol 1a2b3c4d" in report_page(make_report(own))


def test_what_others_claim_stands_apart(make_record):
    record = make_record(dataset="market1501", backbone="resnet50")
    report = make_report(record)
    ddid = next(one for one in report.claims if one.method == "ddid")
    assert ddid.numbers["fna@8"] == (31.99, 55.17)
    page = Page(report_page(report))
    assert "Claimed, not measured here" in page.sections["standing"]
    assert "fna@8 31.99 / 55.17" in words(page.sections["standing"])
    assert set(page.links) == {one.url for one in report.claims}
    assert not make_report(make_record()).claims


def test_without_attacks_it_says_that_it_says_nothing(make_record):
    report = make_report(make_record(attacks=[]))
    assert "nothing about robustness" in " ".join(report.summary)
    page = Page(report_page(report))
    assert tuple(page.sections) == SECTIONS
    assert "Nothing was attacked" in page.sections["attacks"]


def test_targets_and_galleries_are_told(make_record, make_attack):
    retrieval = {"map": 4.0, "rank1": 1.0, "rank5": 2.0, "rank10": 3.0, "minp": 1.0}
    target = {"clean": retrieval, "attacked": {**retrieval, "map": 71.5, "rank10": 88.5}}
    pulled = {"intent": "impersonate", "target_rule": "nearest", "target": target}
    record = make_record(
        attacks=[make_attack("fna", 20.0, **pulled)],
        worst_case={"map": 20.0, "rank1": 9.0, "ci95_map": (1, 30), "attacks": ["fna@8"]},
    )
    report = make_report(record, published=[make_record()])
    assert "goes from 4.0 to 71.5" in " ".join(report.summary)
    assert report.standing is None
    page = Page(report_page(report))
    assert "71.5 88.5" in words(page.sections["attacks"])
    assert "worst-case mAP" not in page.sections["result"]
    gallery = make_report(make_record(attacks=[make_attack("sma", 20.0, side="gallery")]))
    assert "It is a lower bound" in " ".join(gallery.summary)


def test_texts_of_users_are_no_markup(make_record):
    report = make_report(make_record(label="<b>mine</b> & yours"))
    text = report_page(report)
    assert "<b>mine" not in text
    assert "&lt;b&gt;mine&lt;/b&gt; &amp; yours" in text
