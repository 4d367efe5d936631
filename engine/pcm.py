"""Audio as it goes over the engine's socket: mono at 16 kHz, float32 or int16, little-endian."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audio.samples import SAMPLE_RATE, Samples
from engine.messages import Encoding
from speech.errors import InvalidAudio

_FULL_SCALE = np.float32(1 / 32768)
WIDTHS: dict[Encoding, int] = {"pcm_f32le": 4, "pcm_s16le": 2}
"""Bytes of a sample."""
MOST_SECONDS = 600
MOST_BYTES = MOST_SECONDS * SAMPLE_RATE * max(WIDTHS.values())
"""The longest payload that is even let pass."""


def encoded(samples: Samples | NDArray[np.int16]) -> tuple[Encoding, memoryview]:
    """Samples as bytes: int16 as they are, anything else as float32. No copy where none is needed.

    Raises:
        InvalidAudio: when they are not mono.

    """
    if samples.ndim != 1:
        raise InvalidAudio(f"The audio is not mono: its shape is {samples.shape}.")
    encoding: Encoding = "pcm_s16le" if samples.dtype == np.int16 else "pcm_f32le"
    kind = "<i2" if encoding == "pcm_s16le" else "<f4"
    return encoding, np.ascontiguousarray(samples, dtype=kind).view(np.uint8).data


def decoded(payload: bytes, encoding: Encoding) -> Samples:
    """Bytes as samples.

    Raises:
        InvalidAudio: when the last sample is not whole, or one is no finite number.

    """
    if len(payload) % WIDTHS[encoding]:
        raise InvalidAudio(f"{len(payload)} bytes of {encoding} are no whole number of samples.")
    if encoding == "pcm_s16le":
        return np.frombuffer(payload, dtype="<i2").astype(np.float32) * _FULL_SCALE
    samples: Samples = np.frombuffer(payload, dtype="<f4").astype(np.float32, copy=False)
    if not np.isfinite(samples).all():
        raise InvalidAudio("Some samples are no finite numbers.")
    return samples


def check_length(samples: int, seconds: float) -> None:
    """Refuse more samples than one request may hold.

    Raises:
        InvalidAudio: saying how long it may be.

    """
    if samples > int(seconds * SAMPLE_RATE):
        raise InvalidAudio(
            f"{samples / SAMPLE_RATE:.1f} seconds of audio are more than one request may hold: {seconds:g}."
        )
