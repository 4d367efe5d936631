"""The frame in which the errors of a library become ours, and what every library says of a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from speech.errors import DeviceUnavailable, ProviderUnavailable, SpeechError

Known = Callable[[Exception, Path | None], SpeechError | None]
"""An error of a library, and the folder of the model while that is loaded, to ours; None: not known."""

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "bad_alloc", "CUBLAS_STATUS_ALLOC_FAILED")
_DEVICE = ("CUDA", "CUBLAS", "cuDNN", "CUDNN", "NVIDIA driver", "libcu")
"""What a device says that is lost or broken: libraries raise RuntimeError for it, and kinds of it."""


def translator(known: Known) -> Callable[..., AbstractContextManager[None]]:
    """A context manager, ``translated(loading=None)``, that raises ours for what is ``known`` of the errors in it.

    ``loading`` is the folder of the model while it is loaded: what goes wrong then is the model's fault. What is not
    known passes untouched, since a bug is not a fault of the engine; so do our own errors.
    """

    @contextmanager
    def translated(loading: Path | None = None) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            ours = None if isinstance(error, SpeechError) else known(error, loading)
            if ours is None:
                raise
            raise ours from error

    return translated


def of_device(error: Exception, name: str, too_little_memory: str) -> SpeechError | None:
    """What a library said of the device's memory (then in those words), or of the device itself; None: neither."""
    if isinstance(error, MemoryError) or says(error, *_OUT_OF_MEMORY):
        return ProviderUnavailable(too_little_memory, name)
    if isinstance(error, OSError | RuntimeError) and says(error, *_DEVICE):
        return DeviceUnavailable(
            "The CUDA device or its libraries cannot be used now: see `woa doctor`, or set WOA_DEVICE=cpu.", name
        )
    return None


def says(error: Exception, *parts: str) -> bool:
    """Whether the error's words hold one of the parts."""
    return any(part in str(error) for part in parts)
