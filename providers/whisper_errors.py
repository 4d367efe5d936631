"""The errors of faster-whisper, CTranslate2 and tokenizers as ours, in this one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speech.errors import DeviceUnavailable, ModelUnavailable, ProviderRejected, ProviderUnavailable, SpeechError

NAME = "faster_whisper"

_TOO_LONG = ("The length of the prompt is",)
_OUT_OF_MEMORY = ("out of memory", "bad_alloc", "CUBLAS_STATUS_ALLOC_FAILED")
_DEVICE = ("CUDA", "CUBLAS", "cuDNN", "libcublas", "libcudnn")


@contextmanager
def translated(loading: Path | None = None) -> Iterator[None]:
    """Turn what is known into ours; what is not known passes untouched, since a bug is not a fault of the engine.

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
    text = str(error)
    if isinstance(error, MemoryError) or _has(text, _OUT_OF_MEMORY):
        return ProviderUnavailable(
            "The device has not enough memory for the model: choose a smaller one, or run fewer jobs at once.", NAME
        )
    if isinstance(error, ValueError) and _has(text, _TOO_LONG):
        return ProviderRejected(
            "The prompt, the hotwords, the prefix and max_new_tokens together are longer than the 448 tokens that "
            "the model takes: shorten them.",
            NAME,
        )
    if isinstance(error, OSError | RuntimeError) and _has(text, _DEVICE):
        return DeviceUnavailable(
            "The CUDA device or its libraries cannot be used now: see `woa doctor`, or set WOA_DEVICE=cpu.", NAME
        )
    return None if loading is None else _broken(error, loading)


def _broken(error: Exception, folder: Path) -> SpeechError | None:
    if isinstance(error, ValueError) and "compute type" in str(error):
        return ProviderUnavailable(
            "This device does not compute in the type that WOA_COMPUTE_TYPE asks for: set it to auto.", NAME
        )
    # CTranslate2 raises RuntimeError for every kind of broken file, tokenizers a plain Exception.
    if isinstance(error, OSError | RuntimeError) or type(error) is Exception:
        return ModelUnavailable(f"The model in {folder} is incomplete or broken: remove it and pull it anew.")
    return None


def _has(text: str, parts: tuple[str, ...]) -> bool:
    return any(part in text for part in parts)
