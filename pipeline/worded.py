"""Segments of text alone, as segments of words."""

from __future__ import annotations

from dataclasses import replace

from providers.aligner import Timing
from providers.unspoken import shared
from speech.transcript import Segment, Word
from speech.wording import written_words


def worded(segment: Segment) -> Segment:
    """The segment with words: its own, or its text parted, the time shared out by letters."""
    written = () if segment.words else written_words(segment.text)
    if not written:
        return segment
    timings = shared(segment.start, segment.end, [word.text for word in written])
    words = [timed_word(word.text, word.space_before, timing) for word, timing in zip(written, timings, strict=True)]
    return replace(segment, words=tuple(replace(word, speaker=segment.speaker) for word in words))


def timed_word(text: str, space_before: bool, timing: Timing) -> Word:
    """A word with its time in whole milliseconds."""
    return Word(round(timing.start, 3), round(timing.end, 3), text, space_before, timing.confidence)
