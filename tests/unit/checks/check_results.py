"""What the results of a contract suite say."""

from __future__ import annotations

from benchmark.checks.contract import CheckResult


def failed(results: list[CheckResult]) -> dict[str, str]:
    return {result.name: result.detail for result in results if not result.passed}


def warned(results: list[CheckResult]) -> set[str]:
    return {result.name for result in results if result.warns}
