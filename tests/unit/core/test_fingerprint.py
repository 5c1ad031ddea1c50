from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.core.fingerprint import canonical_json, fingerprint, sha256_file, sha256_sources

scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
values = st.recursive(scalars, lambda v: st.lists(v, max_size=3), max_leaves=5)


def test_golden_value() -> None:
    # A change here makes every stored cell useless: raise HASHING_VERSION on purpose only.
    assert canonical_json({"b": [1, 2.5, None], "a": "é"}) == '{"a":"é","b":[1,2.5,null]}'
    assert fingerprint({"b": [1, 2.5, None], "a": "é"}) == (
        "5d77443e2146973eda73a4644cf1f2fe78702a2790cec0cc1b7fa76b4d90dbcb"
    )


@given(st.dictionaries(st.text(max_size=4), values, max_size=5))
def test_order_of_keys_does_not_matter(content: dict[str, object]) -> None:
    backwards = dict(reversed(list(content.items())))
    assert fingerprint(content) == fingerprint(backwards)


def test_content_matters() -> None:
    found = {fingerprint(c) for c in ({}, {"a": 1}, {"a": "1"}, {"a": [1]}, {"a": None})}
    assert len(found) == 5


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinity_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        fingerprint({"a": [value]})


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(TypeError):
        fingerprint({"a": {1, 2}})


def test_sha256_of_files_and_sources(tmp_path: Path) -> None:
    a, b = tmp_path / "a.py", tmp_path / "b.py"
    a.write_bytes(b"one")
    b.write_bytes(b"two")
    assert sha256_file(a) == hashlib.sha256(b"one").hexdigest()
    assert sha256_sources([a, b]) == sha256_sources([b, a, a])
    before = sha256_sources([a, b])
    b.write_bytes(b"three")
    assert sha256_sources([a, b]) != before


def test_source_hash_does_not_depend_on_where_the_folders_lie(tmp_path: Path) -> None:
    found = set()
    for first, second in (("a", "b"), ("b", "a")):
        for folder, text in ((first, "one"), (second, "two")):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / "same.py").write_text(text)
        found.add(sha256_sources([tmp_path / first / "same.py", tmp_path / second / "same.py"]))
    assert len(found) == 1
