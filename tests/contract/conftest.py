"""What is asked of every attack is asked of reid-aa with few steps of its members."""

from __future__ import annotations

import pytest

from attacks import reid_aa
from tests.tiny_scene import SHORT


@pytest.fixture(autouse=True)
def _short_members(monkeypatch: pytest.MonkeyPatch) -> None:
    short = {"steps": SHORT["steps"]}
    members = tuple((name, {**options, **short}) for name, options in reid_aa.MEMBERS)
    monkeypatch.setattr(reid_aa, "MEMBERS", members)
