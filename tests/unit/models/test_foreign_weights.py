"""Weights of other programs: what is no weights is told as what it is, and old ones fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from benchmark.core.errors import DataError, PluginError
from benchmark.models.foreign_weights import load_foreign, read_state_dict

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    ("content", "what", "hint"),
    [
        (LFS, "a pointer of Git LFS", "git lfs pull"),
        (b"\n<!DOCTYPE html><html><title>Google Drive</title>", "a web page", "browser"),
        (b"\xef\xbb\xbf<HTML>", "a web page", "browser"),
        (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "an XML text", "browser"),
        (b'{"message": "Not Found"}', "a JSON text", "name the file"),
        (b"\x1f\x8b\x08\x00rest", "a compressed file", "unpack"),
        (b" \n", "an empty file", "again"),
    ],
)
def test_what_is_no_weights_is_told_as_what_it_is(
    tmp_path: Path, ending: str, content: bytes, what: str, hint: str
) -> None:
    path = tmp_path / f"net{ending}"
    path.write_bytes(content)
    with pytest.raises(DataError, match=what) as caught:
        read_state_dict(path)
    assert hint in caught.value.hint


def test_a_pickle_that_would_run_code_is_still_told_as_one(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save(nn.Linear(2, 2), path)
    with pytest.raises(DataError, match="a pickle that would run code"):
        read_state_dict(path)


def test_batch_norms_of_old_need_no_count_of_batches(tmp_path: Path) -> None:
    saved, encoder = (nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)) for _ in range(2))
    saved[1].running_mean.fill_(3.0)
    state = saved.state_dict()
    del state["1.num_batches_tracked"]
    torch.save(state, tmp_path / "old.pth")
    load_foreign(encoder, read_state_dict(tmp_path / "old.pth"), "old.pth")
    assert torch.equal(encoder[1].running_mean, saved[1].running_mean)
    del state["1.running_var"]
    with pytest.raises(PluginError, match=r"missing: 1\.running_var\)"):
        load_foreign(encoder, state, "old.pth")
