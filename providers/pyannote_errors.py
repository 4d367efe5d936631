"""The errors of torch and pyannote.audio as ours, in this one place."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

from providers.error_translation import of_device, translator
from speech.errors import ModelUnavailable, ProviderUnavailable, SpeechError

NAME = "pyannote"

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


def _known(error: Exception, loading: Path | None) -> SpeechError | None:
    if isinstance(error, ImportError):
        return ProviderUnavailable(f"A package that pyannote.audio needs cannot be imported: {error.name}.", NAME)
    device = of_device(error, NAME, "The device has not enough memory to tell speakers apart: run fewer jobs.")
    if device is not None:
        return device
    if loading is not None and isinstance(error, _BROKEN):
        return ModelUnavailable(f"The model in {loading} is incomplete or broken: remove it and pull it anew.")
    return None


translated = translator(_known)
"""As a context manager: turns what is known into ours, see `translator`."""
