"""Numbers that are told to be above each other must read so."""

from __future__ import annotations

import pytest

from benchmark.core.digits import told_apart


@pytest.mark.parametrize(
    ("value", "limit", "digits", "texts"),
    [
        (40.44, 40.38, 1, ("40.44", "40.38")),
        (40.4, 38.0, 1, ("40.4", "38.0")),
        (10.00001, 10.0, 1, ("10.00001", "10.00000")),
        (8.0004, 8.0, 3, ("8.0004", "8.0000")),
        (7.0, 7.0, 1, ("7.0", "7.0")),
        (1e-30, 0.0, 1, ("0.000000000000", "0.000000000000")),  # no end to it otherwise
    ],
)
def test_numbers_that_differ_read_differently(value, limit, digits, texts):
    assert told_apart(value, limit, digits) == texts
