"""How good a recording is, measured in one pass over its spool."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audio.samples import SAMPLE_RATE, Samples
from audio.spans import Span
from audio.spool import Spool
from speech.transcript import Quality

_FRAME = SAMPLE_RATE // 50
"""Samples of a frame whose power is taken: 20 ms."""

_WINDOW_SECONDS = 60.0
_ENOUGH_SILENCE = 25
"""Frames outside speech from which on they tell the noise: half a second."""

_CLIPPED = np.float32(32767 / 32768)
_LEAST_POWER = (1 / 32768) ** 2 / 12
"""Power of the rounding to 16 bits: no recording is quieter."""

_LOWEST_SNR, _HIGHEST_SNR = -20.0, 100.0


def measure(spool: Spool, spans: Sequence[Span]) -> Quality:
    """Measure a recording.

    - ``speech_ratio``: share of the recording that the spans cover.
    - ``snr_db``: power inside the spans over power outside them, the latter taken off the former. Where there is
      less than half a second outside, the quietest tenth of the 20 ms frames inside stands for the noise.
      Between -20 and 100; None without speech.
    - ``clipping``: share of samples at full scale.

    Args:
        spool: the recording.
        spans: where somebody speaks, in order.

    """
    if not spool.sample_count:
        return Quality()
    powers, clipped = _powers(spool)
    speech = _inside(len(powers), spans)
    covered = sum(min(span.last, spool.sample_count) - span.first for span in spans)
    return Quality(
        speech_ratio=round(covered / spool.sample_count, 4),
        snr_db=_snr(powers, speech),
        clipping=round(clipped / spool.sample_count, 6),
    )


def _powers(spool: Spool) -> tuple[NDArray[np.float32], int]:
    """Mean power of every frame, and how many samples are clipped."""
    powers: list[NDArray[np.float32]] = []
    clipped = 0
    for window in spool.windows(_WINDOW_SECONDS):
        clipped += int(np.count_nonzero(np.abs(window) >= _CLIPPED))
        powers.append(_frame_powers(window))
    return np.concatenate(powers), clipped


def _frame_powers(window: Samples) -> NDArray[np.float32]:
    starts = np.arange(0, len(window), _FRAME)
    lengths = np.minimum(_FRAME, len(window) - starts).astype(np.float32)
    return (np.add.reduceat(np.square(window), starts) / lengths).astype(np.float32)


def _inside(frames: int, spans: Sequence[Span]) -> NDArray[np.bool_]:
    """Which frames have their middle in a span."""
    inside = np.zeros(frames, dtype=np.bool_)
    half = _FRAME // 2
    for span in spans:
        inside[max(math.ceil((span.first - half) / _FRAME), 0) : max(math.ceil((span.last - half) / _FRAME), 0)] = True
    return inside


def _snr(powers: NDArray[np.float32], speech: NDArray[np.bool_]) -> float | None:
    voiced, silent = powers[speech], powers[~speech]
    if not len(voiced):
        return None
    if len(silent) >= _ENOUGH_SILENCE:
        noise = float(silent.mean(dtype=np.float64))
    else:
        noise = float(np.sort(voiced)[: max(len(voiced) // 10, 1)].mean(dtype=np.float64))
    noise = max(noise, _LEAST_POWER)
    signal = max(float(voiced.mean(dtype=np.float64)) - noise, _LEAST_POWER)
    return round(min(max(10 * math.log10(signal / noise), _LOWEST_SNR), _HIGHEST_SNR), 1)
