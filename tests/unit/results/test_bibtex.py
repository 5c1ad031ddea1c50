"""BibTeX: what a parser reads from it is what the cards say."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from benchmark.cli.references import publications, references_of
from benchmark.core.references import bibliography
from results.board.make_boards import make_boards
from results.render.bibtex import bibliography_text, bibtex, board_bibliography
from results.render.leaderboard import texts
from results.render.tex import tex_text
from results.report.publication import Publication

PAPER = Publication("doe2020", ("Doe, Jané", "Roe, R."), "On 100% {it}\\n_x", "ICLR", 2020)


def parse(text):
    """Read entries as BibTeX does: braces are counted, what is outside of entries is comment."""
    entries, place = {}, 0
    while (start := re.compile(r"^@(\w+)\{([^,\s]+),", re.M).search(text, place)) is not None:
        depth, place, fields, value = 1, start.end(), {}, None
        while depth:
            one = text[place]
            depth += (one == "{") - (one == "}") if text[place - 1] != "\\" else 0
            place += 1
        for field in re.finditer(r"^  (\w+) = \{(.*)\},$", text[start.end() : place], re.M):
            fields[field[1]] = value = field[2]
        assert value is not None
        entries[start[2]] = {"type": start[1], **fields}
    return entries


def test_every_paper_of_the_project_is_read_back():
    papers = publications(bibliography().values())
    text = bibtex(papers)
    assert text.isascii()
    entries = parse(text)
    assert list(entries) == sorted(bibliography())
    for one in papers:
        entry = entries[one.key]
        assert entry["type"] == one.kind
        assert entry["title"] == f"{{{tex_text(one.title)}}}"
        assert entry["year"] == str(one.year)
        assert len(entry["author"].split(" and ")) == len(one.authors) + one.others
        assert entry.get("url", "") == one.link
    assert entries["bai2020"]["journal"].startswith("IEEE Transactions on Pattern")
    assert entries["bai2020"]["eprint"] == "1901.10650"
    assert entries["zhou2026"]["booktitle"] == "AAAI"
    assert entries["bouniot2020"]["author"].endswith(r"Loesch, Ang{\'{e}}lique")
    assert entries["das2018"]["author"] == "Das, Nilaksh and others"


def test_hostile_words_stay_in_their_field():
    (entry,) = parse(bibtex([PAPER])).values()
    assert entry["title"] == r"{On 100\% \{it\}\textbackslash{}n\_x}"
    assert entry["author"] == r"Doe, Jan{\'{e}} and Roe, R."
    bad = replace(PAPER, title="}\n@misc{evil,\n", url="https://x.org/}\\{é")
    assert list(parse(bibtex([bad]))) == ["doe2020"]
    assert "https://x.org/%7D%5C%7B%C3%A9" in bibtex([bad])


def test_two_papers_of_one_key_are_both_there():
    other = replace(PAPER, title="Another")
    assert list(parse(bibtex([PAPER, other, PAPER]))) == ["doe2020", "doe2020-2"]
    assert bibtex([]) == ""


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "Doe, Roe: On, ICLR 2020"),
        ({"others": True}, "Doe et al.: On, ICLR 2020"),
        (
            {"identifier": "arXiv:2001.00001"},
            "Doe, Roe: On, ICLR 2020, https://arxiv.org/abs/2001.00001",
        ),
        ({"identifier": "doi:10.1/2"}, "Doe, Roe: On, ICLR 2020, https://doi.org/10.1/2"),
    ],
)
def test_a_line_says_who_what_where(changes, line):
    assert replace(PAPER, title="On", **changes).line == line


def test_a_board_refers_to_its_defenses_and_attacks(make_record, make_attack):
    own = {"key": "me2027", "authors": ["Me, I."], "title": "T", "venue": "V", "year": 2027}
    known = make_record("ddid", attacks=[make_attack("sma", 30), make_attack("no-such", 3)])
    defense = known.defense.model_copy(
        update={"name": "of-a-stranger", "card": {"references": [own, "lee2020", "x", 1, {}]}}
    )
    strange = known.model_copy(update={"id": "ab" * 32, "defense": defense})
    found = references_of(make_boards([known, strange]))
    keys = {name: [one.key for one in papers] for name, papers in found.items()}
    assert keys == {
        "defense/ddid": ["zhou2026", "karras2022"],
        "defense/of-a-stranger": ["me2027", "lee2020"],
        "attack/sma": ["bouniot2020"],
        "attack/no-such": [],
    }
    text = bibliography_text(found)
    assert "% defense/of-a-stranger: me2027, lee2020\n" in text
    assert len(parse(text)) == 5
    (board,) = make_boards([known])
    assert texts([board], ("latex", "bibtex"), found).keys() == {
        "leaderboard.tex",
        "references.bib",
    }
    assert set(parse(board_bibliography(board, found))) == {"zhou2026", "karras2022", "bouniot2020"}
    assert bibliography_text({}) == "% no references\n"
    assert parse(bibliography_text({"defense/@misc{x,\n": (PAPER,)})).keys() == {"doe2020"}
