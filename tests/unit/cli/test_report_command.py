"""``report``: from a finished run to a page, and what is told where that cannot be."""

from __future__ import annotations

import json

import pytest

from benchmark.checks.flag_words import flag_words


@pytest.fixture
def finished(cli, tiny_arguments, tmp_path):
    """Return the folder of a run of two records."""
    code, _, err = cli("run", "--defense", "tiny-defense", *tiny_arguments, "--seed", "0", "1")
    assert code == 0, err
    return tmp_path / "out"


def test_a_run_gives_a_page_for_each_record_and_json_on_demand(cli, finished, tmp_path):
    records = sorted((finished / "records").glob("*.json"))
    code, out, err = cli("report", finished)
    assert (code, err) == (0, "")
    pages = [path.with_suffix(".html") for path in records]
    assert out.splitlines() == [f"wrote {page}" for page in pages]
    text = pages[0].read_text()
    content = json.loads(records[0].read_text())
    assert f"{content['clean']['map']:.1f}" in text
    assert "tiny-attack" in text
    target = tmp_path / "page.html"
    code, out, _ = cli("report", records[1], "--output", target, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["clean"]["map"] == json.loads(records[1].read_text())["clean"]["map"]
    assert document["listed"]["queries"], "the run kept ranked lists"
    assert "<img" not in target.read_text(), "the tiny data set is not rendered"
    assert len(json.loads(cli("report", finished, "--json")[1])) == 2
    assert cli("board", finished)[0] == 0, "pages beside records are no records"
    code, out, err = cli("report", finished, "--output", target)
    assert (code, out) == (2, "")
    assert "2 records do not fit into one page" in err
    code, _, err = cli("report", records[0], "--output", tmp_path)
    assert code == 2
    assert "is no name of a page" in err


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("nowhere", None, "there is no folder"),
        ("empty", "folder", "no records in"),
        ("broken.json", "{", "is not JSON"),
        ("other.json", "{}", "is not a record"),
    ],
)
def test_what_is_no_record_is_told(cli, tmp_path, name, content, what):
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_text(content)
    code, out, err = cli("report", path)
    assert (code, out) == (3, "")
    assert what in err
    assert len(err.splitlines()) <= 2


def test_every_flag_has_words():
    from benchmark.checks.flags import FLAGS

    words = flag_words()
    assert set(words) == {flag.ID for flag in FLAGS}
    assert all(means and do for means, do in words.values())
