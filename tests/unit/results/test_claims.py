"""Published numbers: one place, apart from what was measured."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from rich.console import Console

from benchmark.core.registry import BACKBONES, DATASETS
from results.board.make_boards import make_boards
from results.claims.load import claimed_table, claims_beside, claims_of, sources
from results.claims.schema import ClaimedTable, FurtherTable, Source
from results.render.console import print_leaderboard
from results.render.leaderboard import texts
from results.render.markdown import boards_markdown

FOREIGN_BACKBONES = {
    *("abd", "agw", "aligned-reid", "ap", "camstyle", "densenet121", "hacnn", "hhl", "ibn"),
    *("inception-v3", "lsro", "mudeep", "not-stated", "pcb", "se-resnext", "spgan", "transreid"),
    "vit",
}


def test_names_of_data_sets_and_networks_are_the_registered_ones():
    tables = [table for source in sources().values() for table in source.tables]
    assert {one.backbone for one in tables} - set(BACKBONES.names()) == FOREIGN_BACKBONES
    assert {one.dataset for one in tables} <= set(DATASETS.names())


def test_tables_are_found_by_data_sets_and_network():
    assert claimed_table("ddid", "table 2").rows["none"]["clean"] == (78.49, 92.01)
    moved = claims_of("market1501 → dukemtmcreid", "resnet50")
    assert {one.table.where for one in moved} == {"table 5"}
    assert "market1501 → dukemtmcreid" in moved[0].origin
    assert not claims_of("synthped-plaza", "resnet50")
    assert not claims_of("market1501", "small-resnet")


def test_numbers_of_other_kinds_stand_apart():
    further = {name: source.further for name, source in sources().items() if source.further}
    assert {"ddid", "lgpr", "meaad", "metric_attack", "robrank"} == set(further)
    assert further["robrank"][2].rows["act"] == [47.5, 50.8]
    with pytest.raises(ValidationError, match="as many numbers"):
        FurtherTable(where="x", dataset="x", columns=["a", "b"], rows={"none": [1]})
    with pytest.raises(ValidationError, match="claims nothing"):
        Source(source="x", url="https://example.org", provenance="x")


def test_no_place_of_a_source_is_there_twice():
    for source in sources().values():
        places = [table.where for table in source.tables]
        assert len(places) == len(set(places)), source.source


@pytest.mark.parametrize("key", ["sma", "@8", "sma@much", "clean@8@"])
def test_a_key_is_clean_or_an_attack_with_its_budget(key):
    with pytest.raises(ValidationError):
        ClaimedTable(where="x", dataset="x", backbone="x", rows={"none": {key: (1, 2)}})


def test_those_of_other_data_stand_beside_a_test_on_it(make_record):
    record = make_record(dataset="market1501", backbone="resnet50", cross=True)
    other = record.cross_dataset[0].model_copy(update={"dataset": "dukemtmcreid"})
    crossed = record.model_copy(update={"cross_dataset": [other]})
    (more,) = {one.table.where for one in claims_beside([crossed])} - {
        one.table.where for one in claims_beside([record, record])
    }
    assert more == "table 5"


def test_they_stand_under_a_board_and_never_in_it(make_record, capsys):
    boards = make_boards([make_record(dataset="market1501", backbone="resnet50")])
    text = boards_markdown(boards)
    assert text.index("| ddid") < text.index("### Claimed, not measured here")
    assert "fna@8 31.99 / 55.17" in text
    assert "(Zhou et al., AAAI 2026): second-hand, from notes" in text
    assert "Claimed" not in boards_markdown(make_boards([make_record()]))
    csv = texts(boards, ("csv",))["leaderboard.csv"]
    assert "31.99" not in csv
    print_leaderboard(boards, Console(width=100))
    assert "Claimed, not measured here" in capsys.readouterr().out
