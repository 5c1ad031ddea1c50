from __future__ import annotations

import statistics

import numpy as np

from benchmark.data.synthped.draw import Draw


def test_the_stream_is_the_same_on_every_machine() -> None:
    draw = Draw(1, 2, 3)
    assert [draw.uniform(0, 1) for _ in range(3)] == [0.558682, 0.779592, 0.518148]
    assert Draw(5).noise(2, 3).tolist() == Draw(5).noise(6).reshape(2, 3).tolist()


def test_keys_separate_streams() -> None:
    assert Draw(1, 2).unit() != Draw(2, 1).unit() != Draw(1, 2, 0).unit()


def test_moments() -> None:
    draw = Draw(0)
    normal = [draw.normal(2.0, 0.5) for _ in range(4000)]
    assert abs(statistics.mean(normal) - 2.0) < 0.03
    assert abs(statistics.stdev(normal) - 0.5) < 0.03
    assert abs(statistics.median([draw.log_normal(12, 0.8) for _ in range(2000)]) - 12) < 1
    noise = Draw(1).noise(100, 100)
    assert noise.dtype == np.int16
    assert abs(noise.mean()) < 3
    assert abs(noise.std() - 104.5) < 2


def test_choices_stay_inside_and_follow_weights() -> None:
    draw = Draw(3)
    assert {draw.integer(2, 5) for _ in range(200)} == {2, 3, 4}
    picks = [draw.weighted({"a": 3, "b": 1, "c": 0}) for _ in range(2000)]
    assert "c" not in picks
    assert 0.70 < picks.count("a") / 2000 < 0.80
    assert sorted(draw.shuffled(range(9))) == list(range(9))
