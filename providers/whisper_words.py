"""What faster-whisper heard, as segments with words of ours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from audio.samples import SAMPLE_RATE, Samples
from providers.sound import may_be_speech
from speech.transcript import Segment, Word, ordered

if TYPE_CHECKING:
    from faster_whisper.transcribe import Segment as Heard
    from faster_whisper.transcribe import Word as HeardWord

NEIGHBOURHOOD = 1.0
"""Seconds around a segment in which there must be sound that may be speech: the engine's times are not exact."""


class SegmentReader:
    """Turns the segments of one recognition into ours, in order: each starts no earlier than the last one ended."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self._duration = samples.size / SAMPLE_RATE
        self._end = 0.0

    def read(self, heard: Heard, language: str | None) -> Segment | None:
        """The segment, or None when nothing was said.

        Marks alone are no words: noise is written so, or faster-whisper gave a word's marks a segment of their own.
        """
        if not any(sign.isalnum() for sign in heard.text) or not self._spoken(heard):
            return None
        segment = Segment(
            start=self._after(heard.start),
            end=self._after(heard.end),
            text=heard.text.strip(),
            words=tuple(self._words(heard.words or ())),
            language=language,
            confidence=probability(math.exp(heard.avg_logprob)),
        )
        whole = ordered((segment,), self._duration)
        if not whole:
            return None
        self._end = whole[0].end
        return whole[0]

    def _spoken(self, heard: Heard) -> bool:
        start = int(max(0.0, heard.start - NEIGHBOURHOOD) * SAMPLE_RATE)
        return may_be_speech(self._samples[start : int((heard.end + NEIGHBOURHOOD) * SAMPLE_RATE)])

    def _words(self, heard: Sequence[HeardWord]) -> list[Word]:
        words: list[Word] = []
        space = False
        for word in heard:
            space = space or word.word[:1].isspace()
            text = word.word.strip()
            if not text:
                continue
            start = self._after(word.start)
            words.append(
                Word(
                    start, max(start, self._after(word.end)), text, space and bool(words), probability(word.probability)
                )
            )
            space = word.word[-1:].isspace()
        return words

    def _after(self, position: float) -> float:
        return max(self._end, float(position))


def probability(value: float) -> float | None:
    """The number as a probability with four digits; None when it is no number."""
    return None if math.isnan(value) else round(min(1.0, max(0.0, float(value))), 4)
