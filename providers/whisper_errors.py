"""The errors of faster-whisper, CTranslate2 and tokenizers as ours, in this one place."""

from __future__ import annotations

from pathlib import Path

from providers.error_translation import of_device, says, translator
from speech.errors import ModelUnavailable, ProviderRejected, ProviderUnavailable, SpeechError

NAME = "faster_whisper"


def _known(error: Exception, loading: Path | None) -> SpeechError | None:
    if isinstance(error, ValueError) and says(error, "The length of the prompt is"):
        return ProviderRejected(
            "The prompt, the hotwords, the prefix and max_new_tokens together are longer than the 448 tokens that "
            "the model takes: shorten them.",
            NAME,
        )
    device = of_device(
        error, NAME, "The device has not enough memory for the model: choose a smaller one, or run fewer jobs at once."
    )
    return _broken(error, loading) if device is None and loading is not None else device


def _broken(error: Exception, folder: Path) -> SpeechError | None:
    if isinstance(error, ValueError) and says(error, "compute type"):
        return ProviderUnavailable(
            "This device does not compute in the type that WOA_COMPUTE_TYPE asks for: set it to auto.", NAME
        )
    # CTranslate2 raises RuntimeError for every kind of broken file, tokenizers a plain Exception.
    if isinstance(error, OSError | RuntimeError) or type(error) is Exception:
        return ModelUnavailable(f"The model in {folder} is incomplete or broken: remove it and pull it anew.")
    return None


translated = translator(_known)
"""As a context manager: turns what is known into ours, see `translator`."""
