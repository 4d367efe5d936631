"""Quality figures are near the truth where the truth is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from audio.quality import measure
from audio.spans import Span
from audio.spool import Spool
from speech.transcript import Quality

Write = Callable[[NDArray[np.generic]], Spool]
RATE = 16_000


def speechlike(seconds: float, power: float) -> NDArray[np.float64]:
    return np.random.default_rng(3).normal(0, np.sqrt(power), int(seconds * RATE))


@pytest.mark.parametrize("snr", [0, 10, 20, 40])
def test_snr_of_a_voice_in_noise(spooled: Write, snr: int) -> None:
    noise = np.random.default_rng(4).normal(0, 0.001, 70 * RATE)
    noise[20 * RATE : 50 * RATE] += speechlike(30, 1e-6 * 10 ** (snr / 10))
    quality = measure(spooled(noise.astype(np.float32)), [Span(20.0, 50.0)])
    assert quality.snr_db == pytest.approx(snr, abs=0.5)
    assert quality.speech_ratio == pytest.approx(30 / 70, abs=1e-4)
    assert quality.clipping == 0.0


def test_without_silence_the_quietest_frames_are_the_noise(spooled: Write) -> None:
    samples = np.random.default_rng(4).normal(0, 0.001, 10 * RATE)
    for second in range(10):
        samples[second * RATE : second * RATE + RATE // 2] += speechlike(0.5, 0.01)
    quality = measure(spooled(samples.astype(np.float32)), [Span(0.0, 10.0)])
    assert quality.snr_db == pytest.approx(10 * np.log10(0.005 / 1e-6), abs=2)


def test_clipped_samples_are_counted(spooled: Write) -> None:
    samples = np.zeros(2 * RATE, dtype=np.int16)
    samples[:100] = 32767
    samples[100:200] = -32768
    samples[200:300] = 32766
    assert measure(spooled(samples), []).clipping == pytest.approx(200 / (2 * RATE))


def test_digital_silence_is_no_division_by_zero(spooled: Write) -> None:
    samples = np.zeros(10 * RATE, dtype=np.int16)
    samples[4 * RATE : 5 * RATE] = 20000
    assert measure(spooled(samples), [Span(4.0, 5.0)]).snr_db == pytest.approx(96.8, abs=0.1)
    assert measure(spooled(samples), [Span(0.0, 1.0)]).snr_db == -20.0


def test_without_speech_there_is_no_ratio_of_it(spooled: Write) -> None:
    quality = measure(spooled(np.zeros(RATE, dtype=np.int16)), [])
    assert quality == Quality(speech_ratio=0.0, snr_db=None, clipping=0.0)


def test_an_empty_recording_has_no_quality(spooled: Write) -> None:
    assert measure(spooled(np.zeros(0, dtype=np.int16)), []) == Quality()


def test_windows_do_not_show(spooled: Write) -> None:
    """A recording longer than one window, whose last frame is not full."""
    samples = np.full(61 * RATE + 7, 1000, dtype=np.int16)
    quality = measure(spooled(samples), [Span(0.0, samples.size / RATE)])
    assert quality.speech_ratio == 1.0
    assert quality.snr_db == -20.0
