"""`zoo:NAME` is the defense behind the entry, without its training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from benchmark.core.defense import Adaptive
from benchmark.core.errors import UsageError
from benchmark.core.registry import DEFENSES
from benchmark.models.zoo_hub import ZOO_VARIABLE
from defenses.zoo import Zoo
from tests.tiny_scene import make_defense
from tests.tiny_zoo import make_entry


@pytest.fixture(autouse=True)
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the folder of a zoo with a trained and a wrapped entry."""
    make_entry(tmp_path, "trained", make_defense("metric-at"))
    make_entry(tmp_path, "wrapped", make_defense("jpeg", quality=33))
    monkeypatch.setenv(ZOO_VARIABLE, str(tmp_path))
    monkeypatch.setattr(DEFENSES, "_mounted", {})
    return tmp_path


def test_it_declares_what_the_defense_behind_it_declares() -> None:
    wrapped, trained = make_defense("zoo:wrapped"), make_defense("zoo:trained")
    assert isinstance(wrapped, Zoo)
    assert wrapped.adaptive == Adaptive(non_differentiable=True)
    assert wrapped.behind.config.quality == 33  # type: ignore[attr-defined]
    assert wrapped.card.title == make_defense("jpeg").card.title
    assert wrapped.backbone_name("resnet50") == "small-resnet"
    assert (trained.trained_against, trained.also_seen) == ((), ("metric-pgd",))
    assert "trained" in trained.summary()


def test_its_behaviour_covers_what_is_behind_it() -> None:
    trained, wrapped = DEFENSES.get("zoo:trained"), DEFENSES.get("zoo:wrapped")
    assert [part.name for part in trained.parts()] == ["metric-at"]
    assert [part.name for part in wrapped.parts()] == ["jpeg", "none"]
    assert trained.behaviour().id != wrapped.behaviour().id
    assert not wrapped.behaviour().unknown


def test_the_weights_are_in_its_options(zoo: Path) -> None:
    plugin = DEFENSES.get("zoo:trained")
    config = plugin.parse_config({})
    assert config == plugin.parse_config(config.model_dump())
    with pytest.raises(UsageError, match="weights_sha256"):
        plugin.parse_config({"weights_sha256": "0" * 64})
    with pytest.raises(ValidationError):
        plugin.Config(weights_sha256="1" * 64)


def test_another_size_or_network_is_refused() -> None:
    defense = make_defense("zoo:trained")
    defense.check_setting((32, 16), {"name": "small-resnet", "width": 4})
    with pytest.raises(UsageError, match="images of 32×16, and the run's have 64×32") as caught:
        defense.check_setting((64, 32), {"name": "small-resnet", "width": 4})
    assert "image_size=[32,16]" in caught.value.hint
    for key, value in (("name", "resnet18"), ("width", 16)):
        with pytest.raises(UsageError, match=rf"backbone\.{key}"):
            defense.check_setting((32, 16), {"name": "small-resnet", "width": 4, key: value})


def test_without_an_entry_it_asks_for_one() -> None:
    with pytest.raises(UsageError, match="does not say what it takes"):
        make_defense("zoo").check()
