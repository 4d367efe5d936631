"""NVIDIA devices and their libraries, seen from outside: nothing here imports an inference library.

CTranslate2 opens cuBLAS by name when it first needs it, and some builds of it cuDNN. The ``cuda`` extra installs
them as wheels, in folders that the loader does not search, so `preload` opens them by path before a model is loaded.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from engine.host import ROOT

QUERY = ("nvidia-smi", "--query-gpu=index,name,memory.total,compute_cap", "--format=csv,noheader,nounits")
QUERY_SECONDS = 10.0
_WHEELS = {
    "cublas": ("libcublasLt.so.12", "libcublas.so.12"),
    "cudnn": ("libcudnn.so.9",),
}
"""Libraries in the order in which they need one another."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One NVIDIA device. ``memory_bytes`` and ``capability`` are 0 where the driver did not tell."""

    index: int
    name: str = "NVIDIA GPU"
    memory_bytes: int = 0
    capability: float = 0.0


def find_gpus(root: Path = ROOT, query: tuple[str, ...] = QUERY) -> tuple[Gpu, ...]:
    """The NVIDIA devices of this machine; quick where there is none, at most `QUERY_SECONDS` where there is."""
    nodes = sorted((root / "dev").glob("nvidia[0-9]*"))
    wsl = (root / "dev/dxg").exists()
    driver = sorted((root / "proc/driver/nvidia/gpus").glob("*"))
    if not (nodes or driver or wsl):
        return ()
    return _asked(query) or tuple(Gpu(index) for index in range(len(nodes) or len(driver)))


def find_libraries() -> str | None:
    """Why cuBLAS, without which nothing runs, would not be found; None when it is there."""
    if _in_wheels("cublas") or ctypes.util.find_library("cublas"):
        return None
    return "The CUDA library cuBLAS was not found: install the 'cuda' extra, or CUDA 12."


def preload(load: Callable[[str, int], object] = ctypes.CDLL) -> tuple[Path, ...]:
    """Open the libraries that came as wheels, so that CTranslate2 finds them by name; returns which.

    Raises:
        OSError: when a library is there but cannot be loaded.

    """
    paths = tuple(path for name in _WHEELS for path in _in_wheels(name))
    for path in paths:
        load(str(path), ctypes.RTLD_GLOBAL)
    return paths


def _in_wheels(name: str) -> tuple[Path, ...]:
    try:
        spec = find_spec(f"nvidia.{name}")
    except ModuleNotFoundError:
        return ()
    folders = [Path(folder) / "lib" for folder in (spec.submodule_search_locations or ())] if spec else []
    return tuple(folder / file for file in _WHEELS[name] for folder in folders if (folder / file).exists())


def _asked(query: tuple[str, ...]) -> tuple[Gpu, ...]:
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=QUERY_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    rows = [[cell.strip() for cell in line.split(",")] for line in answer.stdout.splitlines()]
    return tuple(
        Gpu(int(row[0]), row[1], int(_number(row[2]) * 1024**2), _number(row[3]))
        for row in rows
        if len(row) == len(["index", "name", "memory", "capability"]) and row[0].isdigit()
    )


def _number(text: str) -> float:
    """A number as nvidia-smi prints it; 0 for ``[N/A]``."""
    return float(text) if text.replace(".", "", 1).isdigit() else 0.0
