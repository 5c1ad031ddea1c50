"""What the experiments after the tables of the DDID paper have in common.

Zhou et al., AAAI 2026, arXiv 2511.09933.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import sub, truediv

from results.claims.load import claimed_table
from results.claims.schema import Numbers

PAPER_ATTACKS = ("fna", "sma", "metric-ifgsm")
"""FNA, SMA and I-FGSM."""

PAPER_SETTINGS = tuple(f"attack_config.{name}.steps=16" for name in PAPER_ATTACKS)
"""16 iterations, as the paper evaluates; its step size and start were not recovered."""

PAPER_PAIR = ("ddid", "metric-at")
"""The two that the paper's ratios and gains are of: beside others they would say nothing."""


_SOURCE = "ddid"
_DECIMALS = 2


def paper_ratios(where: str) -> dict[str, float]:
    """Return the mAP of DDID as a multiple of metric AT's, by attack, in a table of the paper."""
    rows = {**_rows("table 3"), **_rows(where)}  # table 2 is without metric AT
    return _compared(rows["ddid"], rows["metric-at"], truediv)


def paper_gains() -> dict[str, dict[str, float]]:
    """Return the gains in mAP over metric AT, by what is on and by attack (tables 2 and 3).

    The paper's "diffusion" is the balancing, its "adversarial learning" the discriminator.
    """
    baseline, *single = _rows("table 3").items()
    name, base = baseline
    modules = {row.removeprefix(f"{name} "): numbers for row, numbers in single}
    rows = {**modules, "all": _rows("table 2")["ddid"]}
    return {row: _compared(numbers, base, sub) for row, numbers in rows.items()}


def _rows(where: str) -> dict[str, dict[str, Numbers]]:
    return claimed_table(_SOURCE, where).rows


def _compared(
    ours: Mapping[str, Numbers],
    theirs: Mapping[str, Numbers],
    compare: Callable[[float, float], float],
) -> dict[str, float]:
    found = {}
    for key, (a, _) in ours.items():
        b, _ = theirs[key]
        if a is not None and b is not None:
            found[key] = round(compare(a, b), _DECIMALS)
    return found
