"""A run whose memory runs out goes on in smaller batches, and its record says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from benchmark.core.attack import Attack
from benchmark.core.errors import EnvironmentProblem
from benchmark.core.progress import SilentProgress
from benchmark.runner.attack_seeds import mean_outcome, smallest_batch
from benchmark.runner.run import run_benchmark
from results.records.store import load_record


@contextmanager
def room_for(most: int) -> Iterator[None]:
    """Let no attack hold more images at once."""
    run = Attack.run

    def limited(attack, encoder, batch):
        if len(batch.images) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return run(attack, encoder, batch)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Attack, "run", limited)
        yield


def test_attacks_go_on_and_tell(tiny_config):
    config = tiny_config(attack=["random-noise", "metric-fgsm"])
    with room_for(0), pytest.raises(EnvironmentProblem, match="out of memory") as told:
        run_benchmark(config, SilentProgress())
    assert "evaluation.batch" in told.value.hint
    with room_for(5):
        ((record, path),) = run_benchmark(config, SilentProgress()).records
    assert load_record(path) == record
    assert [one.halved_batch for one in record.attacks] == [3, 3]


def test_of_several_attack_seeds_the_smallest_batch_is_told():
    outcomes = [{"map": 1.0, "halved_batch": 8}, {"map": 3.0}, {"map": 5.0, "halved_batch": 4}]
    assert smallest_batch(outcomes) == 4
    assert smallest_batch([{"map": 1.0}]) is None
    assert mean_outcome(outcomes) == {"map": 3.0}
