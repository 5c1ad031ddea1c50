"""Text for TeX: every engine sets it, whatever it holds."""

from __future__ import annotations

import unicodedata

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    '"': "''",
    "[": "{[}",  # after \\ a bracket would be its argument
    "]": "{]}",
    "`": r"\textasciigrave{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "→": r"$\to$",
    "←": r"$\gets$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "∞": r"$\infty$",
    "ε": r"$\varepsilon$",
    "λ": r"$\lambda$",
    "γ": r"$\gamma$",
    "σ": r"$\sigma$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "…": r"\ldots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "ß": r"{\ss}",
    "ø": r"{\o}",
    "Ø": r"{\O}",
    "ł": r"{\l}",
    "Ł": r"{\L}",
    "æ": r"{\ae}",
    "Æ": r"{\AE}",
    "œ": r"{\oe}",
    "Œ": r"{\OE}",
    "ı": r"{\i}",
}
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}
# pylatexenc knows thousands of characters, by macros of packages that a paper may not load; what
# is not above is named by its number instead.


def tex_text(text: str) -> str:
    """Return text as TeX shows it: special characters escaped, all of it ASCII, in one line."""
    line = " ".join(unicodedata.normalize("NFC", text).split())
    return "".join(map(_character, line)).replace("--", "-{}-").replace("--", "-{}-")


def _character(one: str) -> str:
    if one in _ESCAPES:
        return _ESCAPES[one]
    if one.isascii():
        return one if one.isprintable() else ""
    base, *marks = tuple(unicodedata.normalize("NFD", one))
    if len(marks) == 1 and marks[0] in _ACCENTS and base.isascii():
        letter = rf"\{base}" if base in "ij" else base
        return f"{{\\{_ACCENTS[marks[0]]}{{{letter}}}}}"
    return f"{{[}}U+{ord(one):04X}{{]}}"
