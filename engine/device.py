"""Where models run: found out without importing an inference library, so that the API may ask too."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from engine.cuda import Gpu, find_gpus, find_libraries
from engine.host import ROOT, total_memory, usable_cores
from speech.settings import GIB, Settings

Kind = Literal["cpu", "cuda"]

COMPUTE_TYPES = (
    "int8",
    "int8_float32",
    "int8_float16",
    "int8_bfloat16",
    "int16",
    "float16",
    "bfloat16",
    "float32",
)
"""What CTranslate2 computes in: https://opennmt.net/CTranslate2/quantization.html"""


@dataclass(frozen=True, slots=True)
class Device:
    """One CPU or GPU. ``memory_bytes`` is all it has; ``threads`` those of one model call on the CPU.

    ``problem`` says, in a sentence, why it is not what one would expect here: None when all is well.
    ``usable`` is false when the settings ask for a device that is not there.
    """

    kind: Kind
    index: int
    compute_type: str
    threads: int
    memory_bytes: int
    name: str = "CPU"
    problem: str | None = None
    usable: bool = True


def detect(settings: Settings, root: Path = ROOT) -> Device:
    """The device that the settings mean on this machine.

    Raises:
        ValueError: when ``compute_type`` is none that CTranslate2 has.

    """
    if settings.compute_type not in ("auto", *COMPUTE_TYPES):
        raise ValueError(
            f"compute_type is {settings.compute_type!r}; it must be auto or one of {', '.join(COMPUTE_TYPES)}."
        )
    gpus = () if settings.device == "cpu" else find_gpus(root)
    if not gpus:
        cpu = _cpu(settings, root)
        return cpu if settings.device != "cuda" else _absent(cpu, settings)
    problem = find_libraries()
    if problem and settings.device == "auto":
        return replace(_cpu(settings, root), problem=f"{gpus[0].name} is not used. {problem}")
    return replace(_cuda(gpus[0], settings, root), problem=problem, usable=problem is None)


def default_whisper_model(device: Device, chosen: str | None = None) -> str:
    """The Whisper model for jobs that name none: the operator's choice, else the best that the device runs well.

    A function of its arguments alone, so that every process of a host answers the same.
    """
    if chosen:
        return chosen
    gib = device.memory_bytes / GIB
    if device.kind == "cuda":
        return "large-v3-turbo" if gib >= 6 else "small" if gib >= 3 else "base"
    return "base" if gib >= 3 else "tiny"


def _cpu(settings: Settings, root: Path) -> Device:
    compute_type = "int8" if settings.compute_type == "auto" else settings.compute_type
    return Device("cpu", 0, compute_type, _threads(settings, root), total_memory(root))


def _cuda(gpu: Gpu, settings: Settings, root: Path) -> Device:
    compute_type = _cuda_type(gpu) if settings.compute_type == "auto" else settings.compute_type
    return Device("cuda", gpu.index, compute_type, _threads(settings, root), gpu.memory_bytes, gpu.name)


def _cuda_type(gpu: Gpu) -> str:
    """float16 wherever the device computes fast in it (compute capability 7.0 and later, or not told)."""
    if gpu.capability == 0 or gpu.capability >= 7:
        return "float16"
    return "int8" if gpu.capability >= 6.1 else "float32"


def _absent(cpu: Device, settings: Settings) -> Device:
    compute_type = "float16" if settings.compute_type == "auto" else settings.compute_type
    problem = "The settings ask for CUDA, but no NVIDIA device was found: set WOA_DEVICE=auto or cpu."
    return replace(cpu, kind="cuda", compute_type=compute_type, name="absent", problem=problem, usable=False)


def _threads(settings: Settings, root: Path) -> int:
    return settings.cpu_threads or max(1, usable_cores(root) // settings.model_slots)
