"""Checkpoints of preparations: whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmark.core.epoch_checkpoint import CHECKPOINT, load_epoch, save_epoch


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    nested = {"groups": [{"rate": 1e-3, "betas": (0.5, 0.9)}], "state": {0: {"step": 2}}}
    state = {"epoch": 3, "score": 0.25, "delta": torch.randn(3, 4), "optimizer": nested}
    save_epoch(tmp_path / "new folder", state)
    back = load_epoch(tmp_path / "new folder")
    assert back is not None
    assert torch.equal(back.pop("delta"), state.pop("delta"))  # type: ignore[arg-type]
    assert back == state
    assert [path.name for path in (tmp_path / "new folder").iterdir()] == [CHECKPOINT]


def test_nothing_saved_is_nothing_to_go_on_from(tmp_path: Path) -> None:
    assert load_epoch(tmp_path / "nowhere") is None
    save_epoch(tmp_path, {"epoch": 1}, "one.pt")
    assert load_epoch(tmp_path) is None
    assert load_epoch(tmp_path, "one.pt") == {"epoch": 1}


def test_a_kill_while_writing_leaves_the_old_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_epoch(tmp_path, {"epoch": 1})

    def killed(state: object, stream: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        save_epoch(tmp_path, {"epoch": 2})
    assert load_epoch(tmp_path) == {"epoch": 1}


@pytest.mark.parametrize("place", [0.1, 0.5, 0.99])
def test_a_changed_bit_is_noticed(
    place: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_epoch(tmp_path, {"delta": torch.zeros(10_000)})
    path = tmp_path / CHECKPOINT
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 4
    path.write_bytes(content)
    assert load_epoch(tmp_path) is None
    assert "damaged" in caplog.text


@pytest.mark.parametrize("keep", [0, 100, -100])
def test_a_damaged_state_costs_time_only(
    keep: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_epoch(tmp_path, {"delta": torch.zeros(100)})
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:keep])
    assert load_epoch(tmp_path) is None
    assert "damaged" in caplog.text
