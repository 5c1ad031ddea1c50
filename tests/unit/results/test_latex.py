"""LaTeX tables: what they say, and that they compile whatever the labels hold."""

from __future__ import annotations

import shutil
import string
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from results.board.make_boards import make_boards
from results.render.latex import PACKAGES, boards_latex, latex_table
from results.render.tex import tex_text
from results.trust.statement import Trust

GOLDEN = Path(__file__).with_name("hostile_board.tex")
HOSTILE = (
    r"\input{/etc/passwd}",
    "50% & more_# ~^ {[x]} $a|b$ <b>\"'`",
    "\\\\[9cm] new\nline\x00\x1b]0;--->",
    "Ångström, naïve Łódź ‘é’ 行人 🙂 \u202eback ε ≤ ∞",
    "a label that is longer than a column holds, which is why it is folded " * 3,
)
ENGINE = next(filter(shutil.which, ("pdflatex", "lualatex", "xelatex")), None)


@pytest.fixture
def board(make_record, make_attack):
    attacks = [make_attack("sma", 30.0), make_attack("fna", 20.0, seen_in_training=True)]
    records = [
        make_record(
            f"defense-{place}",
            seed=seed,
            clean=50.0 + place + seed,
            attacks=[a | {"map": a["map"] - place - seed} for a in attacks],
            cross=True,
        )
        for place in range(len(HOSTILE))
        for seed in (0, 1)
    ]
    (board,) = make_boards(records)
    gone = Trust("withdrawn", "A & B", "2026-11-01", "100% wrong.", "https://example.org/a_b")
    rows = [replace(row, label=label) for row, label in zip(board.rows, HOSTILE, strict=True)]
    first, second, third, fourth, last = rows
    rows = (first, second, third, fourth, replace(last, trust=gone))
    groups = {first.label: 1, second.label: 1, third.label: 2}
    return replace(board, rows=rows, groups=groups)


def test_a_small_board_with_hostile_labels(board):
    assert boards_latex([board]) == GOLDEN.read_text("utf-8")


def test_best_and_ties_are_marked(board):
    lines = latex_table(board).splitlines()
    first, second, third = [line for line in lines if line.endswith(r"\\")][1:4]
    assert r"\underline{{\bfseries\boldmath 18.5" in first
    assert r"\underline{17.6" in second
    assert r"\underline" not in third
    assert "Defense & Group & Trust & Clean mAP" in latex_table(board)


def test_no_board_is_a_comment():
    assert boards_latex([]).strip() == PACKAGES.strip()


@pytest.mark.skipif(ENGINE is None, reason="no TeX engine is installed")
def test_it_compiles(board, make_record, tmp_path):
    long = make_boards([make_record(f"defense-{number}") for number in range(60)])
    everything = tex_text(string.printable + "".join(HOSTILE))
    text = (
        r"\documentclass{article}\usepackage{array,booktabs,longtable}\begin{document}"
        f"{everything}\n{boards_latex([board, *long])}\\end{{document}}\n"
    )
    (tmp_path / "board.tex").write_text(text, "ascii")
    command = [ENGINE, "-interaction=nonstopmode", "-halt-on-error", "board.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "board.pdf").is_file()


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("a_b--c", r"a\_b-{}-c"),
        ("3×2‡ 1.0 ± 0.1†", r"3$\times$2$\ddagger$ 1.0 $\pm$ 0.1$\dagger$"),
        ("é\u0301 e\u0301", r"{\'{e}}{[}U+0301{]} {\'{e}}"),
        ("行", "{[}U+884C{]}"),
        ("", ""),
    ],
)
def test_text_is_ascii(text, tex):
    assert tex_text(text) == tex
