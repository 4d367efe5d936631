"""Decoded audio on disk: raw mono PCM, read by windows so that memory does not grow with the recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audio.samples import SAMPLE_RATE, Samples
from audio.spans import Span

BYTES_PER_SAMPLE = 2


@dataclass(frozen=True, slots=True)
class Spool:
    """A file of little-endian signed 16-bit mono samples at 16 kHz, without a header."""

    path: Path
    sample_count: int

    @classmethod
    def at(cls, path: Path) -> Spool:
        """The spool that lies at ``path``; OSError when none does."""
        return cls(path, path.stat().st_size // BYTES_PER_SAMPLE)

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.sample_count / SAMPLE_RATE

    def read(self, start: float = 0.0, end: float | None = None) -> Samples:
        """The samples from ``start`` to ``end`` seconds, clipped to the recording; float32 in [-1, 1)."""
        last = self.sample_count if end is None else round(end * SAMPLE_RATE)
        return self.samples(round(start * SAMPLE_RATE), last)

    def samples(self, first: int, last: int) -> Samples:
        """The samples with index ``first`` up to, without, ``last``, clipped to the recording."""
        first = min(max(first, 0), self.sample_count)
        count = max(min(last, self.sample_count) - first, 0)
        stored = np.fromfile(self.path, dtype="<i2", count=count, offset=first * BYTES_PER_SAMPLE)
        if len(stored) != count:
            raise OSError(f"The spool {self.path.name} is shorter than it was: {len(stored)} of {count} samples.")
        return stored.astype(np.float32) / np.float32(32768)

    def windows(self, seconds: float) -> Iterator[Samples]:
        """The whole recording in consecutive windows of so many seconds; the last one may be shorter."""
        step = max(round(seconds * SAMPLE_RATE), 1)
        for first in range(0, self.sample_count, step):
            yield self.samples(first, first + step)

    def gather(self, spans: Sequence[Span]) -> Samples:
        """The samples of all spans, one after the other; memory goes with the spans, not with the recording."""
        parts = [self.samples(span.first, span.last) for span in spans]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)
