"""Hashes of the content of the rendered sets, at the image size of each and with seed 0."""

from __future__ import annotations

KNOWN_SHA256 = {
    ("synthped-plaza", "smoke"): "971c5e35f54d2f91114d798b99385f8567ac3668a850a3f0eb17b7d128a21dd8",
    ("synthped-plaza", "embedded"): (
        "1045f2e7183ce6bdae29100a9ba4f102f71611d40ea0b873ca7756b78b8ce283"
    ),
    ("synthped-campus", "smoke"): (
        "eff9eb5d72b37873cef2a44c3015ffa71ff5f6c57d586c44adaa35c8c8d6c1ba"
    ),
    ("synthped-campus", "embedded"): (
        "54f96e3275ba24d4872f1e1cf0b1e3d164527d3d3be728d182fe6361c7d7f9a9"
    ),
}
"""By name and size; those of the size full are not kept. They change with the
version of the renderer and of the plan."""
