"""What the experiments after the tables of the DDID paper have in common.

Zhou et al., AAAI 2026, arXiv 2511.09933.
"""

from __future__ import annotations

PAPER_ATTACKS = ("fna", "sma", "metric-ifgsm")
"""FNA, SMA and I-FGSM."""

PAPER_SETTINGS = tuple(f"attack_config.{name}.steps=16" for name in PAPER_ATTACKS)
"""16 iterations, as the paper evaluates; its step size and start were not recovered."""

PAPER_PAIR = ("ddid", "metric-at")
"""The two that the paper's ratios and gains are of: beside others they would say nothing."""
