"""Where somebody speaks: silero VAD over a spool, the same numbers as faster-whisper's, in bounded memory.

The network is the ONNX file that faster-whisper ships (https://github.com/snakers4/silero-vad, MIT). It hears windows
of 512 samples, each with the 64 samples before it, and carries its state from one to the next.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.samples import SAMPLE_RATE, Samples
from audio.spans import Span
from audio.spool import Spool
from speech.errors import JobCancelled
from speech.options import VadOptions

WINDOW = 512
"""Samples of one probability: 32 ms."""

_CONTEXT = 64
_STATE = 128
_BATCH = 1024
"""Windows of one call of the network: 33 s. The state goes on, so that the number changes nothing but memory."""

_PAD = SAMPLE_RATE * 400 / 1000
_SHORTEST_PAUSE = SAMPLE_RATE * 98 / 1000
"""A stretch that grew too long is cut at the last pause of at least this many samples."""


class VoiceActivity:
    """The network. One object serves many threads at once.

    Args:
        session: an ``onnxruntime.InferenceSession`` of silero VAD's sixth version as faster-whisper ships it.

    """

    def __init__(self, session: Any) -> None:
        self._session = session

    @classmethod
    def load(cls) -> VoiceActivity:
        """Load the network from inside the faster-whisper package, without importing that."""
        # Releases of onnxruntime report to its maker over the network; this is looked at as it is imported.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = 1
        options.intra_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 4
        return cls(
            onnxruntime.InferenceSession(str(_weights()), providers=["CPUExecutionProvider"], sess_options=options)
        )

    def probabilities(self, spool: Spool, *, cancelled: Callable[[], bool] | None = None) -> NDArray[np.float32]:
        """How likely there is speech in each window.

        Args:
            spool: the recording.
            cancelled: asked twice a minute of audio; True ends the work.

        Returns:
            float32 in [0, 1], shape (``spool.sample_count // 512 + 1``,): the last window is filled up with silence.

        Raises:
            JobCancelled: ``cancelled`` said so.

        """
        hidden = np.zeros((1, 1, _STATE), dtype=np.float32)
        cell = np.zeros((1, 1, _STATE), dtype=np.float32)
        heard: list[NDArray[np.float32]] = []
        for batch in _batches(spool):
            if cancelled and cancelled():
                raise JobCancelled("The job was cancelled while its speech was looked for.")
            chances, hidden, cell = self._session.run(None, {"input": batch, "h": hidden, "c": cell})
            heard.append(chances)
        return np.concatenate(heard)


def _weights() -> Path:
    package = importlib.util.find_spec("faster_whisper")
    places = package.submodule_search_locations if package else None
    if not places:
        raise ModuleNotFoundError("The package faster-whisper, which brings the silero VAD weights, is not installed.")
    return Path(places[0]) / "assets" / "silero_vad_v6.onnx"


def _batches(spool: Spool) -> Iterator[Samples]:
    """Windows with their context, shape (windows, 64 + 512), as the network wants them."""
    before = np.zeros(_CONTEXT, dtype=np.float32)
    count = spool.sample_count // WINDOW + 1
    for first in range(0, count, _BATCH):
        size = min(_BATCH, count - first)
        filled = np.zeros(size * WINDOW, dtype=np.float32)
        samples = spool.samples(first * WINDOW, (first + size) * WINDOW)
        filled[: len(samples)] = samples
        if first + size == count:
            # faster-whisper writes the first window's empty context through a view, over the last window's end.
            filled[-_CONTEXT:] = 0
        windows = filled.reshape(size, WINDOW)
        ends = windows[:, -_CONTEXT:]
        yield np.concatenate([np.vstack([before[None], ends[:-1]]), windows], axis=1)
        before = ends[-1].copy()


def speech_spans(probabilities: NDArray[np.float32], options: VadOptions, duration: float) -> tuple[Span, ...]:
    """The stretches of speech, padded by 400 ms, in order and without overlap.

    They equal ``faster_whisper.vad.get_speech_timestamps`` with the same threshold, shortest silence and longest
    stretch.

    Args:
        probabilities: one for each window of 512 samples.
        options: ``threshold``, ``min_silence`` and ``max_segment`` count; whether VAD is wanted is the caller's matter.
        duration: seconds of the recording.

    """
    length = round(duration * SAMPLE_RATE)
    cutter = _Cutter(options)
    for index, probability in enumerate(probabilities.tolist()):
        cutter.hear(index * WINDOW, probability)
    return tuple(Span.of_samples(first, last) for first, last in _padded(cutter.finish(length), length))


class _Cutter:
    """Silero's state machine over probabilities; positions in samples, 0 where there is none."""

    def __init__(self, options: VadOptions) -> None:
        # Thresholds as float32, as numpy compares them with the network's answers.
        self._threshold = float(np.float32(options.threshold))
        self._silence_threshold = float(np.float32(max(options.threshold - 0.15, 0.01)))
        self._longest = SAMPLE_RATE * options.max_segment - WINDOW - 2 * _PAD
        self._silence = SAMPLE_RATE * (1000 * options.min_silence) / 1000
        self._found: list[tuple[int, int]] = []
        self._start: int | None = None
        self._quiet_since = 0
        self._pause_start = 0
        self._pause_end = 0

    def hear(self, position: int, probability: float) -> None:
        if probability >= self._threshold:
            self._note_voice(position)
            if self._start is None:
                self._start = position
                return
        if self._start is not None and position - self._start > self._longest and self._cut(self._start, position):
            return
        if self._start is not None and probability < self._silence_threshold:
            self._note_silence(self._start, position)

    def finish(self, length: int) -> list[tuple[int, int]]:
        if self._start is not None and length > self._start:
            self._close(self._start, length)
        return self._found

    def _note_voice(self, position: int) -> None:
        if self._quiet_since:
            self._quiet_since = 0
            if self._pause_end < self._pause_start:
                self._pause_end = position

    def _cut(self, start: int, position: int) -> bool:
        """End a stretch that grew too long: at its last pause, or else here; True when it was here."""
        pause, goes_on = self._pause_start, self._pause_end
        self._close(start, pause or position)
        if pause and goes_on >= pause:
            self._start = goes_on
        return not pause

    def _note_silence(self, start: int, position: int) -> None:
        self._quiet_since = self._quiet_since or position
        silence = position - self._quiet_since
        if silence > _SHORTEST_PAUSE:
            self._pause_start = self._quiet_since
        if silence >= self._silence:
            self._close(start, self._quiet_since)

    def _close(self, start: int, end: int) -> None:
        if end > start:
            self._found.append((start, end))
        self._start = None
        self._quiet_since = self._pause_start = self._pause_end = 0


def _padded(stretches: list[tuple[int, int]], length: int) -> Iterator[tuple[int, int]]:
    """Add 400 ms on both sides; where two would meet, each takes half of the silence between them."""
    if not stretches:
        return
    pad = int(_PAD)
    start = max(0, stretches[0][0] - pad)
    for (_, end), (following, _) in pairwise(stretches):
        share = min((following - end) // 2, pad)
        yield start, end + share
        start = following - share
    yield start, min(length, stretches[-1][1] + pad)
