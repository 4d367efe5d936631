"""What pyannote's networks hear in a recording of any length, block by block: who speaks in each window, and with which
voice.

The windows are those that pyannote itself would use for the whole recording, so where a block ends changes nothing.
What was heard in a block of several is kept until the recording is done: the networks take most of the time.

Imported when the networks are loaded, never before: torch and pyannote.audio come with it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pyannote.core import SlidingWindow, SlidingWindowFeature

from audio.samples import SAMPLE_RATE
from audio.spool import Spool
from providers.role import NoParts, PartStore

BLOCK_WINDOWS = 270
"""Windows that are heard at a time: four and a half minutes of audio in memory."""


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows of a recording: ``length`` and ``step`` in samples, and how many there are; the last may be filled up
    with silence."""

    length: int
    step: int
    count: int

    @classmethod
    def of(cls, spool: Spool, pipeline: Any) -> Windows:
        """Those that pyannote's inference lays over the recording."""
        inference = pipeline._segmentation
        length, step = round(inference.duration * SAMPLE_RATE), round(inference.step * SAMPLE_RATE)
        beyond = spool.sample_count - length
        whole = beyond // step + 1 if beyond >= 0 else 0
        return cls(length, step, whole + (beyond < 0 or beyond % step > 0))

    def blocks(self, size: int) -> Iterator[range]:
        """The numbers of the windows, so many at a time."""
        for first in range(0, self.count, size):
            yield range(first, min(first + size, self.count))

    def of_block(self, spool: Spool, block: range) -> dict[str, Any]:
        """The audio under the windows as pyannote takes it, and no sample that would make one more of them."""
        last = spool.sample_count if block.stop == self.count else (block.stop - 1) * self.step + self.length
        samples = spool.samples(block.start * self.step, last)
        return {"waveform": torch.from_numpy(samples)[None], "sample_rate": SAMPLE_RATE, "uri": "recording"}

    def placed(self, values: NDArray[Any], first: int = 0) -> SlidingWindowFeature:
        """Values by window, with their times; ``first`` is the number of the first window."""
        step = self.step / SAMPLE_RATE
        return SlidingWindowFeature(values, SlidingWindow(self.length / SAMPLE_RATE, step, first * step))


@dataclass(frozen=True, slots=True)
class Heard:
    """``active`` says in which frames each voice of a window speaks: uint8, shape (windows, frames, voices);
    ``voices`` are their vectors: float32, shape (windows, voices, dimension), NaN where there was too little."""

    windows: Windows
    active: NDArray[np.uint8]
    voices: NDArray[np.float32]


_Block = tuple[NDArray[np.uint8], NDArray[np.float32]]
"""`Heard.active` and `Heard.voices` of some of the windows."""

Lent = Callable[[], AbstractContextManager[Any]]
"""Lends the pipeline for as long as a block lasts."""


_NO_PARTS = NoParts()


def hear(spool: Spool, lent: Lent, advanced: Callable[[float], None], parts: PartStore = _NO_PARTS) -> Heard:
    """Run both networks over the recording, borrowed block by block: in between, others may have their memory.

    Raises:
        JobCancelled: when the job was cancelled between two calls.

    """
    with lent() as pipeline:
        windows = Windows.of(spool, pipeline)
    if windows.count <= BLOCK_WINDOWS:
        parts = _NO_PARTS  # begun anew as fast as it is read
    heard = []
    for block in windows.blocks(BLOCK_WINDOWS):
        told = _Told(advanced, block.start / windows.count, len(block) / windows.count)
        name = f"windows {block.start} to {block.stop}"
        found = _read(parts.recall(name), len(block))
        if found is None:
            with lent() as pipeline:
                found = _hear_block(windows.of_block(spool, block), pipeline, told)
            parts.keep(name, _written(found))
        advanced(block.stop / windows.count)
        heard.append(found)
    active, voices = zip(*heard, strict=True)
    return Heard(windows, np.concatenate(active), np.concatenate(voices))


def _written(block: _Block) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, active=block[0], voices=block[1])
    return file.getvalue()


def _read(kept: bytes | None, count: int) -> _Block | None:
    """A block of so many windows as it was written; None for what is none: it is heard again."""
    if kept is None:
        return None
    try:
        with np.load(io.BytesIO(kept), allow_pickle=False) as found:
            active, voices = found["active"], found["voices"]
    except Exception:  # noqa: BLE001 - damage shows as any error of zip, of zlib and of the format of arrays
        return None
    kinds = (active.dtype, active.ndim, voices.dtype, voices.ndim) == (np.uint8, 3, np.float32, 3)
    return (active, voices) if kinds and len(active) == len(voices) == count else None


def _hear_block(audio: dict[str, Any], pipeline: Any, told: Callable[..., None]) -> _Block:
    found = pipeline.get_segmentations(audio, hook=told)
    vectors = pipeline.get_embeddings(audio, found, exclude_overlap=pipeline.embedding_exclude_overlap, hook=told)
    return found.data.astype(np.uint8), vectors.astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Told:
    """pyannote's hook: the share of a block's work that is done, as a share of the whole."""

    advanced: Callable[[float], None]
    start: float
    size: float

    def __call__(self, step: str, artefact: Any, *, total: int = 1, completed: int = 0, **more: Any) -> None:
        share = min(completed / max(total, 1), 1.0)
        done = 0.2 * share if step == "segmentation" else 0.2 + 0.8 * share
        self.advanced(self.start + self.size * done)
