"""The errors of torch and pyannote.audio as ours, in this one place."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speech.errors import DeviceUnavailable, ModelUnavailable, ProviderUnavailable, SpeechError

NAME = "pyannote"

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "bad_alloc", "CUBLAS_STATUS_ALLOC_FAILED")
_DEVICE = ("CUDA", "CUBLAS", "cuDNN", "CUDNN", "NVIDIA driver", "libcu")
"""What a device says that is lost or broken: torch raises RuntimeError for it, and kinds of it."""
_BROKEN = (
    OSError,
    EOFError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    pickle.UnpicklingError,
    struct.error,
)
"""What a file that is not what it should be makes of torch, yaml and numpy."""


@contextmanager
def translated(loading: Path | None = None) -> Iterator[None]:
    """Turn what is known into ours; what is not known passes untouched.

    ``loading`` is the folder of the model while it is loaded: what goes wrong then is the model's fault.
    """
    try:
        yield
    except Exception as error:
        known = _known(error, loading)
        if known is None:
            raise
        raise known from error


def _known(error: Exception, loading: Path | None) -> SpeechError | None:
    if isinstance(error, SpeechError):
        return None
    if isinstance(error, MemoryError) or _has(error, _OUT_OF_MEMORY):
        return ProviderUnavailable("The device has not enough memory to tell speakers apart: run fewer jobs.", NAME)
    if isinstance(error, ImportError):
        return ProviderUnavailable(f"A package that pyannote.audio needs cannot be imported: {error.name}.", NAME)
    if isinstance(error, OSError | RuntimeError) and _has(error, _DEVICE):
        return DeviceUnavailable(
            "The CUDA device or its libraries cannot be used now: see `woa doctor`, or set WOA_DEVICE=cpu.", NAME
        )
    if loading is not None and isinstance(error, _BROKEN):
        return ModelUnavailable(f"The model in {loading} is incomplete or broken: remove it and pull it anew.")
    return None


def _has(error: Exception, parts: tuple[str, ...]) -> bool:
    return any(part in str(error) for part in parts)
