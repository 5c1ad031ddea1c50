"""A few of the broken records and configurations of ``python -m tests.fuzz``."""

from __future__ import annotations

import pytest

from tests import fuzz


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_no_reader_crashes_on_what_was_broken_at_random() -> None:
    seen, crashes = fuzz.run(first=0, cases=16)
    assert crashes == []
    assert sum(seen.values()) == 16
