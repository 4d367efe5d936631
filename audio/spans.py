"""Stretches of a recording, and the map from the trimmed recording's time back to the original's."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from audio.rate import SAMPLE_RATE
from speech.transcript import Segment, Word


@dataclass(frozen=True, slots=True)
class Span:
    """From ``start`` to ``end``, in seconds from the start of the recording; both lie on samples."""

    start: float
    end: float

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.end - self.start

    @property
    def first(self) -> int:
        """Index of the first sample."""
        return round(self.start * SAMPLE_RATE)

    @property
    def last(self) -> int:
        """Index after the last sample."""
        return round(self.end * SAMPLE_RATE)

    @classmethod
    def of_samples(cls, first: int, last: int) -> Span:
        """The span of samples ``first`` up to, without, ``last``."""
        return cls(first / SAMPLE_RATE, last / SAMPLE_RATE)


class TimeMap:
    """Maps time in the concatenation of some spans to time in the recording that they were cut from.

    It agrees with faster-whisper's ``SpeechTimestampsMap``: answers are rounded to hundredths of a second, a position
    on a border belongs to the later span unless it is an end, and both ends of a word go by the span that holds
    the word's middle, so that no word is torn apart by the silence that was left out.

    Args:
        spans: what was kept, in order, without overlap. None at all maps every time to itself.

    """

    def __init__(self, spans: Sequence[Span]) -> None:
        kept = list(accumulate(span.last - span.first for span in spans))
        self._ends = kept
        self._silence_before = [(span.last - end) / SAMPLE_RATE for span, end in zip(spans, kept, strict=True)]

    @property
    def duration(self) -> float:
        """Seconds of the concatenation."""
        return self._ends[-1] / SAMPLE_RATE if self._ends else 0.0

    def index(self, time: float, *, is_end: bool = False) -> int:
        """Which span holds that trimmed time; beyond the last one, the last one."""
        sample = int(time * SAMPLE_RATE)
        place = bisect(self._ends, sample)
        if is_end and place and self._ends[place - 1] == sample:
            # Empty spans share an end with the one before them; the first of them is meant.
            return self._ends.index(sample)
        return min(place, len(self._ends) - 1)

    def original(self, time: float, *, is_end: bool = False, index: int | None = None) -> float:
        """The original time of a trimmed ``time`` in seconds.

        Args:
            time: seconds in the concatenation.
            is_end: it is the end of something, so that on a border it belongs to the earlier span.
            index: the span to map by, when that is known already.

        """
        if not self._ends:
            return round(time, 2)
        place = self.index(time, is_end=is_end) if index is None else index
        return round(self._silence_before[place] + time, 2)

    def word(self, word: Word) -> Word:
        """The word at its original time, mapped by the span of its middle."""
        if not self._ends:
            return replace(word, start=self.original(word.start), end=self.original(word.end))
        place = self.index((word.start + word.end) / 2)
        return replace(word, start=self.original(word.start, index=place), end=self.original(word.end, index=place))

    def segment(self, segment: Segment) -> Segment:
        """The segment at its original time: by its words where it has some, else by its ends."""
        words = tuple(self.word(word) for word in segment.words)
        if words:
            return replace(segment, start=words[0].start, end=words[-1].end, words=words)
        return replace(segment, start=self.original(segment.start), end=self.original(segment.end, is_end=True))

    def restore(self, segments: Iterable[Segment]) -> tuple[Segment, ...]:
        """All segments at their original times."""
        return tuple(self.segment(segment) for segment in segments)
