"""Dates at which records came into their repository."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from results.records.commit_dates import commit_dates


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_the_first_commit_of_a_file_counts(tmp_path: Path) -> None:
    def git(*arguments: str, date: str = "2026-01-02T00:00:00") -> None:
        subprocess.run(
            ["git", "-c", "user.name=n", "-c", "user.email=e@example.org", *arguments],
            cwd=tmp_path,
            env={"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date, "PATH": "/usr/bin:/bin"},
            check=True,
            capture_output=True,
        )

    folder = tmp_path / "records"
    folder.mkdir()
    git("init", "-q")
    for text, date in (("1", "2026-01-02T00:00:00"), ("2", "2026-03-04T00:00:00")):
        (folder / "é one.json").write_text(text)
        git("add", "-A", date=date)
        git("commit", "-q", "-m", "x", date=date)
    (folder / "new.json").write_text("{}")
    files = {"a": folder / "é one.json", "b": folder / "new.json"}
    assert commit_dates(files) == {"a": "2026-01-02"}


def test_outside_of_a_repository_none_is_known(tmp_path: Path) -> None:
    assert commit_dates({"a": tmp_path / "one.json"}) == {}
