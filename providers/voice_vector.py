"""The vector of one voice, by the networks that tell speakers apart.

Imported when the networks are loaded, never before: torch and pyannote.audio come with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from audio.samples import SAMPLE_RATE
from audio.spool import Spool
from providers.pyannote_hearing import BLOCK_WINDOWS, Windows
from providers.role import StepWatch
from speech.errors import InvalidAudio

LEAST_SECONDS = 1.5
"""Speech of one voice alone without which there is no vector of it."""
_STEP = 5
"""Every so-manieth window is enough: they overlap by half then."""


def vector_of_voice(spool: Spool, pipeline: Any, watch: StepWatch) -> tuple[float, ...]:
    """The unit vector of the voice, from frames alone in which exactly one speaks.

    The first minutes are heard when the recording is longer than a voice sample needs to be.

    Raises:
        InvalidAudio: when there is too little speech.

    """
    if not spool.sample_count:
        raise _too_little(0.0)
    windows = Windows.of(spool, pipeline)
    block = range(min(BLOCK_WINDOWS, windows.count))
    audio = windows.of_block(spool, block)
    found = pipeline.get_segmentations(audio)
    alone = (found.data.sum(axis=2) == 1).astype(np.float32)
    frame = windows.length / SAMPLE_RATE / alone.shape[1]
    taken = [*range(0, len(alone), _STEP)]
    vectors: list[NDArray[Any]] = []
    for done, number in enumerate(taken):
        if alone[number].sum() * frame >= min(LEAST_SECONDS, 1.0):
            vectors.append(alone[number].sum() * _unit(_embedded(pipeline, windows, audio, number, alone[number])))
        watch.advanced((done + 1) / len(taken))
    seconds = _heard_alone(pipeline, windows, alone)
    if seconds < LEAST_SECONDS or not vectors:
        raise _too_little(seconds)
    return tuple(float(value) for value in _unit(np.sum(vectors, axis=0)))


def _embedded(
    pipeline: Any, windows: Windows, audio: dict[str, Any], number: int, mask: NDArray[np.float32]
) -> NDArray[Any]:
    start = number * windows.step
    waveform = audio["waveform"][:, start : start + windows.length]
    # Without the silence that fills the last window up: it would shift what the network takes for the mean.
    kept = max(1, len(mask) * waveform.shape[1] // windows.length)
    vector: NDArray[Any] = pipeline._embedding(waveform[None], masks=torch.from_numpy(mask[:kept])[None])[0]
    return vector


def _heard_alone(pipeline: Any, windows: Windows, alone: NDArray[np.float32]) -> float:
    """Seconds of the recording in which one voice is heard alone, by most of the windows over them."""
    frames = pipeline._segmentation.model.receptive_field
    heard = pipeline.speaker_count(windows.placed(alone[:, :, None].copy()), frames, warm_up=(0.0, 0.0))
    return float((heard.data > 0).sum() * frames.step)


def _unit(vector: NDArray[Any]) -> NDArray[Any]:
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length == 0:
        raise _too_little(0.0)
    unit: NDArray[Any] = vector / length
    return unit


def _too_little(seconds: float) -> InvalidAudio:
    return InvalidAudio(
        f"The recording holds {seconds:.1f} s of one voice; it takes at least {LEAST_SECONDS} s, and 10 s are better."
    )
