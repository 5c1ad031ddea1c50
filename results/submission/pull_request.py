"""The text of a pull request that publishes a submission."""

from __future__ import annotations

from collections.abc import Sequence

from results.board.make_boards import make_boards
from results.records.schema import Record
from results.render.markdown import boards_markdown, escaped
from results.submission.problem import Problem
from results.submission.submission_file import Submission


def pull_request_text(
    folder: str, submission: Submission, records: Sequence[Record], notes: Sequence[Problem]
) -> str:
    """Return the text: what is submitted, by whom, its figures, and what was not checked.

    Args:
        folder: Where the submission lies in the repository.
        submission: What is said of it.
        records: Its records.
        notes: What could not be checked.
    """
    boards = make_boards(records)
    rows = [row.label for board in boards for row in board.rows]
    flags = [escaped(flag) for flag in submission.acknowledged]
    cards = {one.defense.name: one.defense.card for one in records}
    kind = "Reproduction" if submission.is_reproduction else "Result"
    parts = [
        f"# {kind}: {escaped(', '.join(rows))}",
        f"{len(records)} records in `{folder}`, submitted by {escaped(submission.by)} on "
        f"{submission.date}.",
        "## Cards",
        "\n".join(
            f"- **{escaped(name)}**: {escaped(str(card.get('title')))}; "
            f"{escaped(str(card.get('paper')))}; licence {escaped(str(card.get('licence')))}"
            for name, card in cards.items()
        ),
        "## Acknowledged flags",
        "\n".join(f"- {flag}: (explain it here)" for flag in flags) or "None was raised.",
        "## Not checked",
        "\n".join(f"- {escaped(what)}" for what in dict.fromkeys(one.what for one in notes))
        or "All was checked.",
        "## Figures",
        boards_markdown(boards).removeprefix("# Leaderboard\n\n").replace("\n## ", "\n### "),
    ]
    return "\n\n".join(parts).rstrip() + "\n"
