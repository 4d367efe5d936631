"""Samples in and out, and where in them somebody speaks."""

from __future__ import annotations

import wave
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
FRAME = 160
"""Samples of ten milliseconds, the grain of all times here."""
BELOW_LOUD = 35.0
"""Decibels below the loud frames of an utterance down to which it is speech: studio recordings have nothing there."""
SHORTEST_PAUSE = 0.5
"""Seconds of silence that part two stretches of speech."""
SHORTEST_SPEECH = 0.1


@lru_cache(maxsize=256)
def read(path: Path) -> NDArray[np.float32]:
    """Any audio as mono float32 at 16 kHz; not to be written to. The last ones are kept: all would take gigabytes."""
    from faster_whisper.audio import decode_audio

    samples: NDArray[np.float32] = decode_audio(str(path), sampling_rate=SAMPLE_RATE)
    return samples


def write(path: Path, samples: NDArray[np.float32]) -> None:
    """As WAV, 16 bits: the same bytes for the same samples."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = np.clip(np.round(samples * 32767), -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(whole.tobytes())


def stretches(samples: NDArray[np.float32]) -> list[tuple[float, float]]:
    """Where somebody speaks, in seconds: by energy, pauses of half a second and more left out."""
    loud = _loudness(samples)
    if not loud.size:
        return []
    speech = loud > np.percentile(loud, 95) - BELOW_LOUD
    edges = np.flatnonzero(np.diff(np.concatenate([[False], speech, [False]]).astype(np.int8)))
    spans = [(begin * FRAME / SAMPLE_RATE, end * FRAME / SAMPLE_RATE) for begin, end in edges.reshape(-1, 2)]
    return [span for span in _joined(spans) if span[1] - span[0] >= SHORTEST_SPEECH]


def levelled(samples: NDArray[np.float32], decibels: float) -> NDArray[np.float32]:
    """With the root mean square of its speech at so many decibels of full scale, never clipped."""
    loud = _loudness(samples)
    active = loud[loud > np.percentile(loud, 95) - 25]
    gain = 10 ** ((decibels - float(10 * np.log10(np.mean(10 ** (active / 10))))) / 20)
    return (samples * min(gain, 0.97 / max(float(np.abs(samples).max()), 1e-6))).astype(np.float32)


def _loudness(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    return np.asarray(10 * np.log10(np.mean(frames**2, axis=1) + 1e-12))


def _joined(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    kept: list[tuple[float, float]] = []
    for begin, end in spans:
        if kept and begin - kept[-1][1] < SHORTEST_PAUSE:
            kept[-1] = (kept[-1][0], end)
        else:
            kept.append((begin, end))
    return kept
