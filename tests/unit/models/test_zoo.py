"""Entries of the zoo: found by name, checked by hash, fetched where they are not at hand."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

import benchmark
from benchmark.core.errors import DataError, EnvironmentProblem, UsageError
from benchmark.models import zoo as zoo_module
from benchmark.models import zoo_hub
from benchmark.models.zoo import with_all_entries, zoo_card, zoo_cards, zoo_folder, zoo_weights
from benchmark.models.zoo_card import CARD_FILE, WEIGHTS_FILE, ZooCard
from benchmark.models.zoo_encoder import zoo_encoder
from benchmark.models.zoo_hub import fetch_weights
from tests.tiny_scene import make_defense, tiny_encoder
from tests.tiny_zoo import make_entry

IMAGES = torch.rand(2, 3, 32, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a zoo with one entry."""
    folder = tmp_path / "zoo"
    make_entry(folder)
    monkeypatch.setenv(zoo_hub.ZOO_VARIABLE, str(folder))
    return folder


def test_an_encoder_is_loaded_by_its_name() -> None:
    encoder = benchmark.load_encoder("tiny", device="cpu")
    assert not encoder.training
    with torch.no_grad():
        torch.testing.assert_close(encoder(IMAGES), tiny_encoder()(IMAGES))


def test_a_wrapped_encoder_is_loaded_with_its_wrapping(zoo: Path) -> None:
    make_entry(zoo, "tiny-jpeg", make_defense("jpeg", quality=10))
    with torch.no_grad():
        plain, wrapped = (
            benchmark.load_encoder(name, device="cpu")(IMAGES) for name in ("tiny", "tiny-jpeg")
        )
    assert not torch.allclose(plain, wrapped)


def test_a_path_is_a_path_even_if_the_zoo_has_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="no such trainings"):
        benchmark.load_encoder("tiny")


@pytest.mark.parametrize("name", ["tyni", "../tiny", "runs/tiny"])
def test_another_name_is_told(name: str) -> None:
    with pytest.raises(Exception, match=r"unknown entry of the zoo|there is no folder"):
        benchmark.load_encoder(name)


def test_weights_with_another_hash_are_refused(zoo: Path) -> None:
    with (zoo / "tiny" / WEIGHTS_FILE).open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(DataError, match="has the SHA-256"):
        zoo_weights(zoo_card("tiny"))


def test_weights_that_do_not_fit_are_told(zoo: Path) -> None:
    make_entry(zoo, "wide", backbone={"name": "small-resnet", "width": 8, "weights": "none"})
    with pytest.raises(DataError, match="do not fit 'none'") as caught:
        zoo_encoder(zoo_card("wide"))
    assert "\n" not in caught.value.what


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [("slug", "../x", "cannot be read"), ("seed", None, "cannot be read"), ("slug", "z", "is of")],
)
def test_a_damaged_card_is_told(zoo: Path, key: str, value: object, told: str) -> None:
    path = zoo / "tiny" / CARD_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(DataError, match=told) as caught:
        zoo_cards()
    assert "\n" not in caught.value.what


def test_all_entries_stand_in_place_of_the_group(zoo: Path) -> None:
    make_entry(zoo, "other")
    assert with_all_entries(["none", "zoo", "zoo:tiny"]) == ["none", "zoo:other", "zoo:tiny"]
    assert with_all_entries(["none"]) == ["none"]


def test_an_empty_zoo_and_a_missing_folder_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv(zoo_hub.ZOO_VARIABLE, str(tmp_path / "empty"))
    with pytest.raises(UsageError, match="the zoo is empty"):
        zoo_cards()
    monkeypatch.setenv(zoo_hub.ZOO_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="there is no folder"):
        zoo_folder()


class _Hub(BaseHTTPRequestHandler):
    """Answers like the hub for the one file that it has."""

    file: Path
    asked: list[str]

    def do_HEAD(self) -> None:  # what the library asks first
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, with_body: bool) -> None:
        self.asked.append(self.path)
        there = self.path.endswith(f"/resolve/{zoo_hub.REVISION}/tiny/{WEIGHTS_FILE}")
        body = self.file.read_bytes() if there else b""
        self.send_response(200 if there else 404)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"abc"')
        self.send_header("X-Repo-Commit", "1" * 40)
        self.end_headers()
        if with_body:
            self.wfile.write(body)


@pytest.fixture
def hub(zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the address of a hub that has the weights of the entry; the zoo has its card alone."""
    kept = (zoo / "tiny" / WEIGHTS_FILE).rename(tmp_path / "kept.safetensors")
    handler = type("Handler", (_Hub,), {"file": kept, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(zoo_module, "fetch_weights", partial(fetch_weights, endpoint=address))
    yield address
    server.shutdown()
    server.server_close()


def test_weights_are_fetched_once_and_checked(hub: str, tmp_path: Path) -> None:
    card = zoo_card("tiny")
    assert isinstance(card, ZooCard)
    path = zoo_weights(card)
    assert path.is_relative_to(tmp_path / "hub")
    assert zoo_weights(card) == path
    (path.resolve()).write_bytes(b"another file")
    with pytest.raises(DataError, match="has the SHA-256"):
        zoo_weights(card)


def test_no_hub_is_told_in_one_line_with_the_mend(
    hub: str, zoo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_entry(zoo, "absent")
    (zoo / "absent" / WEIGHTS_FILE).unlink()
    for offline in (False, True):  # it has no such file; it is not asked
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
        with pytest.raises(EnvironmentProblem, match="weights of absent could not") as caught:
            zoo_weights(zoo_card("absent"))
        assert "\n" not in caught.value.what
        assert "REID_ROBUSTBENCH_ZOO" in caught.value.hint
