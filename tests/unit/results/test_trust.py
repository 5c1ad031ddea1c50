"""The ladder of trust: statements about records, what backs them, and what they do to a board."""

from __future__ import annotations

import pytest
import yaml
from pydantic import ValidationError
from rich.console import Console

from results.board.columns import board_columns
from results.board.leaderboard_frame import leaderboard_rows
from results.board.make_boards import make_boards
from results.board.trade_off import trade_off
from results.claims.load import claims_of
from results.errors import RecordError
from results.records.store import write_record
from results.render.console import print_leaderboard
from results.render.markdown import boards_markdown
from results.trust.evidence import check_statements
from results.trust.schema import Statement
from results.trust.statement import (
    RUN,
    Trust,
    by_record,
    read_statements,
    shipped,
    trust_of,
    trust_of_claim,
)
from tests.unit.results.test_published import PUBLISHED

SAID = {
    "by": "Another lab",
    "date": "2026-11-01",
    "reason": "The gallery was wrong.",
    "url": "https://example.org/42",
}
REPRODUCED = {"level": "reproduced", "run_by": "This project", "within": 1.0}


def statement(*records, level="withdrawn", **changes):
    ids = [record.id for record in records]
    return Statement.model_validate({"records": ids, "level": level, **SAID, **changes})


def stated(*statements):
    return by_record(statements)


def test_the_statements_of_this_project_hold():
    statements = read_statements(PUBLISHED.parent / "trust" / "statements.yaml")
    check_statements(statements, PUBLISHED)
    assert shipped() == by_record(statements)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"level": "trusted"}, "level"),
        ({"level": "run"}, "level"),
        ({"records": []}, "records"),
        ({"records": ["../../x"]}, "records"),
        ({"by": " "}, "by"),
        ({"date": "yesterday"}, "date"),
        ({"reason": ""}, "reason"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"evidence": ["../secret.json"]}, "within the folder"),
        ({"evidence": ["/etc/x.json"]}, "within the folder"),
        ({"level": "superseded"}, "needs evidence"),
        ({**REPRODUCED}, "needs evidence"),
        ({**REPRODUCED, "evidence": ["a.json"], "within": None}, "run_by and within"),
        ({**REPRODUCED, "evidence": ["a.json"], "within": 50}, "within"),
        ({**REPRODUCED, "evidence": ["a.json"], "run_by": "another LAB"}, "another party"),
        ({"within": 1.0}, "run_by and within"),
        ({"stars": 5}, "stars"),
    ],
)
def test_a_statement_says_who_when_and_on_what_evidence(changes, problem, make_record):
    with pytest.raises(ValidationError, match=problem):
        statement(make_record(), **changes)


def test_a_file_that_is_none_is_refused_in_one_line(tmp_path):
    path = tmp_path / "statements.yaml"
    for content in ("[", "statements: [{level: withdrawn}]", "- 1", "\x00"):
        path.write_text(content)
        with pytest.raises(RecordError) as caught:
            read_statements(path)
        assert "\n" not in caught.value.what
        assert caught.value.hint
    path.write_text(yaml.safe_dump({"statements": [{"records": ["0" * 8], "level": "run"}]}))
    with pytest.raises(RecordError, match=r"statements\.0\.level"):
        read_statements(path)


def test_without_a_statement_a_record_was_run(make_record):
    assert trust_of([make_record()]) == trust_of([]) == RUN
    assert RUN.is_ranked


def test_a_row_is_trusted_as_its_least_trusted_record(make_record):
    records = [make_record(seed=seed) for seed in (0, 1)]
    backed = {**REPRODUCED, "evidence": ["a.json"]}
    first, both = statement(records[0], **backed), statement(*records, **backed)
    assert trust_of(records, stated(first)) == RUN
    assert trust_of(records, stated(both)).level == "reproduced"
    attacked = statement(*records, level="attacked")
    assert trust_of(records, stated(attacked, both)).level == "attacked"
    gone = statement(records[1])
    assert trust_of(records, stated(both, attacked, gone)).level == "withdrawn"
    old = statement(records[0], level="superseded", evidence=["b.json"])
    assert trust_of(records, stated(both, old)).level == "superseded"
    assert trust_of(records, stated(old, gone)).level == "withdrawn"


def test_claims_stand_at_the_foot(make_record):
    (claim,) = (one for one in claims_of("market1501", "resnet50") if one.method == "ddid")
    trust = trust_of_claim(claim)
    assert trust.level == "claimed"
    assert not trust.is_ranked
    assert "second-hand" in trust.remark


def test_what_was_withdrawn_stays_and_competes_no_more(make_record, make_attack):
    good = make_record("good", attacks=[make_attack("sma", 30.0)])
    better = make_record("better", clean=70, attacks=[make_attack("sma", 60.0)])
    third = make_record("third", clean=40, attacks=[make_attack("sma", 10.0)])
    plain = make_boards([good, better, third])[0]
    assert [row.label for row in plain.rows] == ["better", "good", "third"]
    assert "Trust" not in [column.title for column in board_columns(plain)]
    (board,) = make_boards([good, better, third], stated=stated(statement(better)))
    assert [row.label for row in board.rows] == ["good", "third", "better"]
    cells = {column.title: column.cells(board.rows) for column in board_columns(board)}
    assert [cell.text for cell in cells["Trust"]] == ["run", "run", "withdrawn"]
    assert [cell.best for cell in cells["Clean mAP"]] == [True, False, False]
    assert [one.label for one in trade_off(board)] == ["good", "third"]
    assert [row["trust"] for row in leaderboard_rows([board])] == ["run", "run", "withdrawn"]
    assert "trust" not in leaderboard_rows([plain])[0]
    remark = "better: withdrawn (Another lab, 2026-11-01): The gallery was wrong."
    console = Console(width=200, record=True)
    print_leaderboard([board], console)
    assert remark in console.export_text()
    text = boards_markdown([board])
    assert remark in text
    sma = next(line for line in text.splitlines() if line.startswith("| sma"))
    assert "**30.0**" in sma
    assert "**60.0**" not in sma


def placed(record, folder, name="."):
    """Write a record; return its path within the folder."""
    return str(write_record(record, folder / name).relative_to(folder))


def test_a_reproduction_has_to_agree(make_record, tmp_path, make_attack):
    original = make_record()
    placed(original, tmp_path, "board")

    def check(record, **changes):
        path = placed(record, tmp_path, "a-lab")  # before the folder of the original
        check_statements([statement(original, **REPRODUCED | changes, evidence=[path])], tmp_path)

    elsewhere = original.environment.model_copy(update={"device": "another"})
    again = original.model_copy(update={"environment": elsewhere})
    check(again)
    check(make_record(seed=7, clean=59.0))
    with pytest.raises(RecordError, match="is a copy"):
        check(original)
    with pytest.raises(RecordError, match=r"clean mAP 1\.50 points away, more than the stated 1"):
        check(make_record(seed=7, clean=60.0))
    with pytest.raises(RecordError, match="worst-case mAP"):
        check(make_record(seed=7, attacks=[make_attack("sma", 25.0)]))
    with pytest.raises(RecordError, match="worst-case mAP"):
        check(make_record(seed=7, attacks=[]))
    with pytest.raises(RecordError, match="other protocol fingerprint"):
        check(make_record(seed=7, protocol="ab" * 32))
    with pytest.raises(RecordError, match="other data set"):
        check(make_record(seed=7, dataset="market1501"))
    with pytest.raises(RecordError, match="other options of the defense"):
        check(make_record(seed=7, config={"epochs": 1}))


def test_what_is_named_has_to_exist(make_record, tmp_path):
    record = make_record()
    with pytest.raises(RecordError, match=f"{record.id}, which is not in"):
        check_statements([statement(record)], tmp_path)
    placed(record, tmp_path, "board")
    check_statements([statement(record)], tmp_path)
    with pytest.raises(RecordError, match="cannot read"):
        check_statements([statement(record, evidence=["no.json"])], tmp_path)


def test_a_remark_leaves_out_what_was_not_said():
    assert Trust("withdrawn").remark == "withdrawn"
