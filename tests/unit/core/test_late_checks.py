"""Late checks judge in order, a few later, and all of them at the end."""

from __future__ import annotations

import pytest
import torch

from benchmark.core.late_checks import LateChecks


def checks_of(behind: int) -> tuple[LateChecks, list[float]]:
    return LateChecks(behind), []


@pytest.mark.parametrize("behind", [0, 1, 3])
def test_as_many_stay_open_as_may(behind: int) -> None:
    checks, seen = checks_of(behind)
    for value in range(6):
        checks.add(torch.tensor([float(value)]), seen.extend)
        assert seen == [float(one) for one in range(value + 1 - behind)]
    checks.finish()
    assert seen == [0, 1, 2, 3, 4, 5]
    assert checks.at_once == (behind == 0)


def test_the_first_that_fails_is_the_one_that_is_raised() -> None:
    checks, seen = checks_of(5)

    def judge(values: list[float]) -> None:
        if values[0] < 0:
            raise ValueError(values[0])
        seen.extend(values)

    for value in (1.0, -2.0, -3.0, 4.0):
        checks.add(torch.tensor([value]), judge)
    with pytest.raises(ValueError, match=r"-2\.0"):
        checks.finish()
    assert seen == [1]


def test_a_cpu_looks_at_once() -> None:
    assert LateChecks.on(torch.device("cpu")).at_once
    assert not LateChecks.on(torch.device("cuda")).at_once
