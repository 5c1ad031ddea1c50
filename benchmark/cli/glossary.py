"""What the names in a report or on the site stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from results.report.content import Glossary


def glossary() -> Glossary:
    """Return a line on each attack, and what each sanity flag means."""
    from benchmark.checks.flag_words import flag_words
    from benchmark.core.registry import ATTACKS
    from results.report.content import FlagHelp, Glossary

    return Glossary(
        attacks={name: ATTACKS.summary(name) for name in ATTACKS.names()},
        flags={name: FlagHelp(*words) for name, words in flag_words().items()},
    )
