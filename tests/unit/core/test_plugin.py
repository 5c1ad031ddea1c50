from __future__ import annotations

import pytest
from pydantic import Field, ValidationError, model_validator

from benchmark.core.errors import UsageError
from benchmark.core.plugin import Card, Plugin, PluginConfig


class Inner(PluginConfig):
    depth: int = 1


class Example(Plugin):
    """Says what it is.

    And more.
    """

    name = "example"

    class Config(PluginConfig):
        weight: float = Field(default=1.0, ge=0)
        steps: int = 3
        inner: Inner = Inner()

        @model_validator(mode="after")
        def _consistent(self) -> Example.Config:
            if self.steps > self.weight * 100:
                raise ValueError("Steps are too many for this weight")
            return self


def test_summary_is_the_first_line() -> None:
    assert Example.summary() == "Says what it is."


def test_valid_options() -> None:
    config = Example.parse_config({"weight": 2, "inner": {"depth": 4}})
    assert config == Example.Config(weight=2.0, inner=Inner(depth=4))
    with pytest.raises(ValidationError):
        config.weight = 3


@pytest.mark.parametrize(
    ("options", "what", "hint"),
    [
        ({"wieght": 1}, "options of 'example': unknown key 'wieght'", "known keys: inner, steps"),
        ({"inner": {"x": 1}}, "options of 'example': unknown key 'inner.x'", "remove it"),
        ({"weight": -1}, "weight = -1: input should be greater than or equal to 0", "correct it"),
        ({"weight": float("nan")}, "weight = nan", "correct it"),
        ({"steps": "many"}, "steps = 'many': input should be a valid integer", "correct it"),
        ({"steps": 1.5, "weight": -1}, r"\(and 1 more\)", "correct it"),
        ({"steps": 500}, "^options of 'example': Steps are too many for this weight$", "correct"),
    ],
)
def test_wrong_options_are_told_in_one_line(
    options: dict[str, object], what: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        Example.parse_config(options)
    assert caught.value.hint.startswith(hint)
    assert "\n" not in caught.value.what
    assert caught.value.exit_code == 2


def test_cards_refuse_unknown_fields() -> None:
    with pytest.raises(ValidationError):
        Card(titel="x")  # type: ignore[call-arg]
