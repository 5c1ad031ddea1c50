"""From a run to the zoo, and from the zoo to a run: the same figures, and places among them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

import benchmark
from benchmark.api.zoo_export import export, slug_of
from benchmark.core.errors import DataError
from benchmark.core.progress import SilentProgress
from benchmark.core.registry import DEFENSES
from benchmark.models.zoo import zoo_card
from benchmark.models.zoo_hub import ZOO_VARIABLE
from benchmark.runner.zoo_places import zoo_places
from results.board.attack_place import Placing
from results.records import published as published_records
from results.records.store import read_record_files, read_records
from results.render.attack_place import print_places
from tests.conftest import TINY_OPTIONS

ATTACKS = ["random-noise", "metric-fgsm", "metric-ifgsm"]


def run(defense: list[str], output: Path, **options: object) -> benchmark.Run:
    quick = {**TINY_OPTIONS["training"], "epochs": 1}
    given = {**TINY_OPTIONS, "attack": ATTACKS, "training": quick, **options}
    return benchmark.run(defense, output=output, progress=SilentProgress(), **given)


def places_in(folder: Path) -> Placing:
    return zoo_places([(record, path) for path, record in read_record_files([folder])])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[benchmark.Run]:
    """Return a run whose encoders are in a zoo, and whose records are the published ones."""
    folder = tmp_path_factory.mktemp("zoo-run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_ROBUSTBENCH_CACHE", str(folder / "cache"))
        patch.setenv(ZOO_VARIABLE, str(folder / "zoo"))
        patch.setattr(DEFENSES, "_mounted", {})
        done = run(["none", "jpeg"], folder / "run", label="short")
        export([done.output], done.records, done.records, folder / "zoo")
        patch.setattr(published_records, "ZOO_RECORDS", done.output / "records")
        published_records.zoo_records.cache_clear()
        yield done
        published_records.zoo_records.cache_clear()


def test_the_card_tells_what_the_record_tells(trained: benchmark.Run) -> None:
    record = next(one for one in trained.records if one.defense.name == "jpeg")
    card = zoo_card("jpeg-short")
    assert (card.label, card.measured.record) == ("jpeg, short", record.id)
    assert card.defense.config == record.defense.config
    assert card.measured.clean_map == record.clean.map
    assert card.published is not None
    assert card.published.records == [record.id]
    assert [*card.bases] == ["none"]
    assert card.bases["none"] == zoo_card("none-short").weights.sha256


def test_the_zoo_gives_the_figures_of_the_training(trained: benchmark.Run, tmp_path: Path) -> None:
    again = run(["zoo"], tmp_path)
    assert [one.defense.name for one in again.records] == ["zoo:jpeg-short", "zoo:none-short"]
    by_name = {one.defense.name: one for one in trained.records}
    for record in again.records:
        first = by_name[record.defense.name.removeprefix("zoo:").removesuffix("-short")]
        assert record.protocol == first.protocol
        assert record.clean == first.clean
        assert [one.map for one in record.attacks] == [one.map for one in first.attacks]
        assert record.training.epochs == 0
    assert {row.label for row in again.board.rows} == {"zoo:jpeg-short", "zoo:none-short"}
    text = (tmp_path / "leaderboard.md").read_text()
    assert "none, short (published)" in text
    assert "published" not in (tmp_path / "leaderboard.csv").read_text()
    assert not places_in(tmp_path).places  # nothing new was tried


def test_a_new_attack_stands_among_the_known_ones(trained: benchmark.Run, tmp_path: Path) -> None:
    again = run(["zoo:none-short"], tmp_path, attack=["tiny-attack", "random-noise"], queries=4)
    (place,) = places_in(tmp_path).places
    assert (place.attack, place.queries) == ("tiny-attack@8", 4)
    assert place.known.keys() == {"metric-fgsm@8", "metric-ifgsm@8"}
    assert place.map == pytest.approx(again.records[0].attacks[0].map)
    assert place.clean == pytest.approx(again.records[0].clean.map)
    assert place.worst_with <= place.worst_known <= min(place.known.values())
    assert place.place == 1 + sum(known < place.map for known in place.known.values())
    assert place.as_json()["place"] == place.place
    with (console := Console(width=120)).capture() as capture:
        print_places(places_in(tmp_path), console)
    assert f"{place.place}/3" in capture.get()
    assert "tiny-attack@8" in capture.get()


def test_what_cannot_be_compared_is_told(trained: benchmark.Run, tmp_path: Path) -> None:
    run(["zoo:none-short"], tmp_path, attack=["tiny-attack"], eps=[4])
    (line,) = places_in(tmp_path).refused
    assert "nothing known has the budget of tiny-attack@4" in line


def test_two_records_of_one_name_and_a_lost_training_are_told(
    trained: benchmark.Run, tmp_path: Path
) -> None:
    record = read_records([trained.output])[0]
    with pytest.raises(DataError, match="two records are called"):
        export([trained.output], [record, record], [], tmp_path)
    with pytest.raises(DataError, match="the training behind the record"):
        export([tmp_path], [record], [], tmp_path)


def test_names_of_rows_make_names_of_entries() -> None:
    assert slug_of("metric-at, trained at 8/255") == "metric-at-trained-at-8-255"
    assert slug_of("ddid, tuned") == "ddid-tuned"


def test_the_command_lists_and_describes_the_zoo(trained: benchmark.Run, cli) -> None:
    code, out, _ = cli("list", "zoo", "--json")
    assert code == 0
    assert {one["name"] for one in json.loads(out)} == {"none-short", "jpeg-short"}
    assert "none-short" in cli("list", "zoo")[1]
    code, out, _ = cli("describe", "zoo", "jpeg-short")
    assert (code, "made from: none" in out) == (0, True)
    code, _, err = cli("describe", "zoo", "jpeg-shorter")
    assert (code, "did you mean jpeg-short" in err) == (2, True)
