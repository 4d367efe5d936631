"""NVIDIA devices seen from outside, with a driver's files and a query that the tests make."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from pathlib import Path

import pytest

from engine.cuda import Gpu, find_gpus, find_libraries, preload

GIB = 1024**3


def _query(*lines: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"print({chr(10).join(lines)!r})")


def _driver(root: Path, *nodes: str) -> Path:
    for node in nodes:
        path = root / node
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def test_without_a_driver_nothing_is_asked(tmp_path: Path) -> None:
    assert find_gpus(tmp_path, ("/nowhere/nvidia-smi",)) == ()


@pytest.mark.parametrize("node", ["dev/nvidia0", "proc/driver/nvidia/gpus/0000:01:00.0", "dev/dxg"])
def test_the_driver_is_asked_for_name_and_memory(tmp_path: Path, node: str) -> None:
    root = _driver(tmp_path, node, "dev/nvidiactl")
    found = find_gpus(root, _query("0, NVIDIA H200, 143771, 9.0", "1, NVIDIA T4, [N/A], 7.5"))
    assert found == (Gpu(0, "NVIDIA H200", 143771 * 1024**2, 9.0), Gpu(1, "NVIDIA T4", 0, 7.5))


@pytest.mark.parametrize(
    "query",
    [("/nowhere/nvidia-smi",), (sys.executable, "-c", "raise SystemExit(9)"), _query("No devices were found")],
    ids=["absent", "fails", "talks"],
)
def test_devices_are_counted_when_the_driver_says_nothing(tmp_path: Path, query: tuple[str, ...]) -> None:
    root = _driver(tmp_path, "dev/nvidia0", "dev/nvidia1", "dev/nvidiactl", "dev/nvidia-uvm")
    assert find_gpus(root, query) == (Gpu(0), Gpu(1))


def test_a_driver_that_hangs_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.cuda.QUERY_SECONDS", 0.2)
    query = (sys.executable, "-c", "import threading; threading.Event().wait()")
    assert find_gpus(_driver(tmp_path, "dev/nvidia0"), query) == (Gpu(0),)


def _wheels(folder: Path, monkeypatch: pytest.MonkeyPatch, *libraries: str) -> list[Path]:
    paths = [folder / "nvidia" / library for library in libraries]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.syspath_prepend(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == "nvidia"]:
        monkeypatch.delitem(sys.modules, name)
    return paths


def test_libraries_of_the_extra_are_opened_by_path_in_the_order_of_their_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = _wheels(
        tmp_path,
        monkeypatch,
        "cublas/lib/libcublasLt.so.12",
        "cublas/lib/libcublas.so.12",
        "cudnn/lib/libcudnn.so.9",
        "cudnn/lib/libcudnn_ops.so.9",
    )
    opened: list[tuple[str, int]] = []
    assert preload(lambda path, mode: opened.append((path, mode))) == tuple(paths[:3])
    assert opened == [(str(path), ctypes.RTLD_GLOBAL) for path in paths[:3]]
    assert find_libraries() is None


def test_libraries_of_the_system_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: f"lib{name}.so.12")
    assert find_libraries() is None


def test_missing_libraries_are_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _wheels(tmp_path, monkeypatch, "other/lib/libother.so")
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    problem = find_libraries()
    assert problem is not None
    assert "cuBLAS" in problem
    assert "extra" in problem
    assert preload(lambda path, mode: pytest.fail("there is nothing to open")) == ()
