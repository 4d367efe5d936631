"""Recordings to measure with: real English speech of any length, each clip with bytes of its own.

The utterances of tests/data/audio, one after the other, are 65 seconds of speech by three voices and more. A clip is a
stretch of them; the next one begins a little later, so that no two are the same and nobody's cache helps.
"""

from __future__ import annotations

import json
import wave
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SPEECH = Path(__file__).parent.parent / "tests" / "data" / "audio"
SAMPLE_RATE = 16_000
STEP_SECONDS = 1.3
"""From the beginning of a clip to that of the next."""


def clips(folder: Path, seconds: float, count: int) -> list[Path]:
    """So many clips of that length, as WAV."""
    folder.mkdir(parents=True, exist_ok=True)
    speech, size = _speech(), int(seconds * SAMPLE_RATE)
    made = []
    for index in range(count):
        begin = int(index * STEP_SECONDS * SAMPLE_RATE) % speech.size
        samples = np.take(speech, range(begin, begin + size), mode="wrap")
        made.append(_write(folder / f"{seconds:g}s-{index:03}.wav", samples))
    return made


def long(target: Path, minutes: float) -> Path:
    """All of the speech again and again, so long."""
    size = int(minutes * 60 * SAMPLE_RATE)
    return _write(target, np.resize(_speech(), size))


@cache
def _speech() -> NDArray[np.int16]:
    from faster_whisper.audio import decode_audio

    rows = [json.loads(line) for line in (SPEECH / "manifest.jsonl").read_text("utf-8").splitlines() if line.strip()]
    paths = [SPEECH / row["path"] for row in rows if row["lang"] == "en"]
    paths.append(SPEECH / "conversation" / "sample.wav")
    return np.concatenate([(decode_audio(str(path)) * 32767).astype("<i2") for path in paths])


def _write(target: Path, samples: NDArray[np.int16]) -> Path:
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.tobytes())
    return target
