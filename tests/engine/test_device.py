"""Where models run, and which one runs by default."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import device as module
from engine.cuda import Gpu
from engine.device import Device, default_whisper_model, detect
from speech.settings import GIB, Settings
from weights.catalog import find

H200 = Gpu(0, "NVIDIA H200", 139 * GIB, 9.0)


def _settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A machine with eight cores and 16 GiB; a test puts GPUs and missing libraries into it."""
    has: dict[str, Any] = {"gpus": (), "libraries": None}
    monkeypatch.setattr(module, "find_gpus", lambda root: has["gpus"])
    monkeypatch.setattr(module, "find_libraries", lambda: has["libraries"])
    monkeypatch.setattr(module, "usable_cores", lambda root: 8)
    monkeypatch.setattr(module, "total_memory", lambda root: 16 * GIB)
    return has


def test_a_cpu_computes_in_int8_on_all_its_cores(host: dict[str, Any]) -> None:
    assert detect(_settings()) == Device("cpu", 0, "int8", 8, 16 * GIB)


@pytest.mark.parametrize(("slots", "threads"), [(1, 8), (2, 4), (3, 2), (64, 1)])
def test_slots_share_the_cores(host: dict[str, Any], slots: int, threads: int) -> None:
    assert detect(_settings(model_slots=slots)).threads == threads


def test_threads_and_compute_type_are_the_operator_s(host: dict[str, Any]) -> None:
    device = detect(_settings(cpu_threads=5, model_slots=2, compute_type="float32"))
    assert (device.threads, device.compute_type) == (5, "float32")


def test_a_gpu_is_used_when_it_is_there(host: dict[str, Any]) -> None:
    host["gpus"] = (H200,)
    device = detect(_settings())
    assert (device.kind, device.compute_type, device.memory_bytes) == ("cuda", "float16", 139 * GIB)
    assert (device.name, device.usable, device.problem) == ("NVIDIA H200", True, None)
    assert detect(_settings(device="cpu")).kind == "cpu"
    assert detect(_settings(compute_type="int8_float16")).compute_type == "int8_float16"


@pytest.mark.parametrize(
    ("capability", "compute_type"), [(0, "float16"), (7.0, "float16"), (6.1, "int8"), (5.2, "float32")]
)
def test_older_gpus_compute_in_what_they_do_fast(host: dict[str, Any], capability: float, compute_type: str) -> None:
    host["gpus"] = (replace(H200, capability=capability),)
    assert detect(_settings()).compute_type == compute_type


def test_a_gpu_without_libraries_leaves_the_cpu_and_says_why(host: dict[str, Any]) -> None:
    host.update(gpus=(H200,), libraries="The CUDA library cuBLAS was not found.")
    device = detect(_settings())
    assert (device.kind, device.usable) == ("cpu", True)
    assert device.problem == "NVIDIA H200 is not used. The CUDA library cuBLAS was not found."


def test_a_gpu_that_was_asked_for_is_never_replaced_in_silence(host: dict[str, Any]) -> None:
    device = detect(_settings(device="cuda"))
    assert (device.kind, device.usable) == ("cuda", False)
    assert "no NVIDIA device" in str(device.problem)
    host.update(gpus=(H200,), libraries="The CUDA library cuBLAS was not found.")
    device = detect(_settings(device="cuda"))
    assert (device.kind, device.usable, device.problem) == ("cuda", False, host["libraries"])


def test_a_compute_type_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="compute_type is 'fast'"):
        detect(_settings(compute_type="fast"))


@pytest.mark.parametrize(
    ("kind", "gib", "model"),
    [
        ("cpu", 1, "tiny"),
        ("cpu", 3, "base"),
        ("cpu", 512, "base"),
        ("cuda", 0, "base"),
        ("cuda", 4, "small"),
        ("cuda", 8, "large-v3-turbo"),
        ("cuda", 139, "large-v3-turbo"),
    ],
)
def test_the_default_model_follows_device_and_memory(kind: Any, gib: int, model: str) -> None:
    assert default_whisper_model(Device(kind, 0, "int8", 1, gib * GIB)) == model


def test_the_operator_s_model_wins() -> None:
    assert default_whisper_model(Device("cuda", 0, "float16", 1, 139 * GIB), "tiny.en") == "tiny.en"


@given(st.sampled_from(["cpu", "cuda"]), st.floats(1, 200))
def test_the_default_model_fits_into_half_the_memory(kind: Any, gib: float) -> None:
    device = Device(kind, 0, "int8" if kind == "cpu" else "float16", 1, int(gib * GIB))
    entry = find(default_whisper_model(device))
    assert entry is not None
    assert entry.memory_bytes(1 if kind == "cpu" else 2) <= device.memory_bytes // 2


def test_this_machine_has_a_device(tmp_path: Path) -> None:
    assert detect(_settings(device="cpu")).memory_bytes > 0
