"""``board --format html``: a site from the records of some folders."""

from __future__ import annotations

from pathlib import Path

from results.records.store import write_record
from tests.unit.results.conftest import build


def test_a_site_comes_from_records(cli, tmp_path: Path) -> None:
    for seed in (0, 1):
        write_record(build("ddid", seed), tmp_path / "out")
    code, out, _ = cli("board", tmp_path / "out", "--format", "html", "--output", tmp_path / "site")
    assert code == 0
    assert out.startswith(f"wrote {tmp_path / 'site' / 'index.html'} and ")
    files = [path for path in (tmp_path / "site").rglob("*") if path.is_file()]
    assert f"and {len(files) - 1} more files" in out
    (page,) = (tmp_path / "site" / "boards").glob("*/attacks.html")
    assert "push a query away" in page.read_text().lower()  # what sma says of itself


def test_a_site_is_no_text(cli, tmp_path: Path) -> None:
    write_record(build("ddid", 0), tmp_path)
    code, out, err = cli("board", tmp_path, "--format", "html")
    assert (code, out) == (2, "")
    assert "a site cannot be printed" in err
    assert "--output DIR" in err
