"""What doctor says of a machine that is not this one."""

from __future__ import annotations

import contextlib
import os

import pytest
import torch

from benchmark.cli import doctor_machine
from benchmark.cli.doctor_line import GIB
from benchmark.core.device import DevicePolicy


def test_each_gpu_is_told_with_what_is_used_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    free = {0: 70 * GIB, 1: 10 * GIB}
    cuda = {
        "device_count": lambda: 2,
        "mem_get_info": lambda index: (free[index], 80 * GIB),
        "device": contextlib.nullcontext,
        "is_bf16_supported": lambda **_: True,
        "get_device_capability": lambda index: (9, 0),
        "get_device_name": lambda index: "Some GPU",
    }
    for name, answer in cuda.items():
        monkeypatch.setattr(torch.cuda, name, answer)
    on_gpu = DevicePolicy(torch.device("cuda"), torch.bfloat16)
    monkeypatch.setattr("benchmark.core.device.choose_device", lambda _: on_gpu)
    _, idle, taken = doctor_machine.check_torch()
    assert idle == (
        *("ok", "device"),
        "Some GPU, 70.0 of 80.0 GiB free; trainings in bfloat16, TF32 is there for crafting",
    )
    assert (taken.level, taken.message[:27]) == ("warn", "Some GPU, 10.0 of 80.0 GiB ")
    (workers,) = [one for one in doctor_machine.check_machine() if one.subject == "workers"]
    assert workers.message.startswith("2 by default")


def test_other_work_on_the_machine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for load, level in ((0.1, "ok"), (500.0, "warn")):
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 0.0))
        (line,) = [one for one in doctor_machine.check_machine() if one.subject == "load"]
        assert line.level == level


def test_a_missing_extra_is_told_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_machine, "EXTRAS", {"no-such-extra": "what it is for"})
    (line,) = doctor_machine.check_extras()
    assert line.level == "ok"
    assert "pip install 'reid-robustbench[no-such-extra]'" in line.message
