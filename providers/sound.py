"""What cannot be speech, told by level alone: silence, and sounds as steady as a fan, a hum or a tone.

Recognisers that were trained on speech make words out of such sounds. Real speech is far from both limits: between
about 200 and 2000 Hz, over 25 ms frames, its level swings by 10 dB and more, by 7 in white noise of 5 dB below it and
by 4 in one as loud as itself; that of a steady noise swings by less than 2.5. What is no speech and not steady either
is for the pipeline's guard to tell, which knows the voice activity.
"""

from __future__ import annotations

import numpy as np

from audio.samples import SAMPLE_RATE, Samples

SILENCE_PEAK = 10 ** (-60 / 20)
"""Peak below which audio is silence: -60 dBFS."""
STEADY_DECIBELS = 3.5
"""Swing of the level, 10th to 95th percentile, below which a sound is steady."""
_FOLDED = 4
"""Samples that are taken together: what hisses above 2 kHz is louder in noise than in speech."""
_FRAME = SAMPLE_RATE // 40 // _FOLDED
_FEWEST_FRAMES = 20
_FLOOR = 1e-7


def may_be_speech(samples: Samples) -> bool:
    """Whether the audio is worth recognising. Of less than half a second only silence is told."""
    if samples.size == 0 or float(np.abs(samples).max()) < SILENCE_PEAK:
        return False
    return samples.size < _FOLDED * _FRAME * _FEWEST_FRAMES or _swing(samples) >= STEADY_DECIBELS


def _swing(samples: Samples) -> float:
    """How far the level of the audio swings, in dB; rumble is taken out too, since it swings without speech."""
    dull = samples[: samples.size // _FOLDED * _FOLDED].reshape(-1, _FOLDED).mean(axis=1)
    middle = np.diff(dull)
    frames = middle[: middle.size // _FRAME * _FRAME].reshape(-1, _FRAME)
    levels = 20 * np.log10(np.sqrt(np.square(frames).mean(axis=1)) + _FLOOR)
    low, high = np.percentile(levels, (10, 95))
    return float(high - low)
