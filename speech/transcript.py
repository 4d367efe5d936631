"""The one shape of words: every provider ends in it, every format starts from it.

Positions are float seconds from the start of the original audio. Confidences are probabilities in [0, 1],
or None where the provider gives none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import isnan

from speech.diarization import Turn

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Word:
    """One word as written, with its punctuation and without surrounding space.

    ``space_before`` says whether a space parts it from the word before it in the segment: false for the
    first word, and between words of scripts that are written without spaces.
    """

    start: float
    end: float
    text: str
    space_before: bool = True
    confidence: float | None = None
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of one voice: some words, or only text where the provider gives no words."""

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()
    language: str | None = None
    speaker: str | None = None
    channel: int | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice in the recording; ``talk_time`` in seconds, ``name`` only when it was identified, with the cosine in
    [-1, 1] by which it was."""

    label: str
    name: str | None = None
    talk_time: float = 0.0
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Quality:
    """How good the audio is: speech share in [0, 1], signal-to-noise in dB, share of clipped samples in [0, 1]."""

    speech_ratio: float | None = None
    snr_db: float | None = None
    clipping: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What the recognition consumed."""

    audio_seconds: float = 0.0
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a recogniser returns for one piece of audio; positions relative to that piece."""

    segments: tuple[Segment, ...]
    language: str | None = None
    language_probability: float | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """The words of one file, sorted by start; segments overlap only across speakers or channels."""

    transcript_id: str
    job_id: str | None
    file_id: str | None
    filename: str
    duration: float
    language: str | None
    language_probability: float | None
    provider: str
    model: str
    model_digest: str | None
    segments: tuple[Segment, ...]
    speakers: tuple[Speaker, ...] = ()
    turns: tuple[Turn, ...] = ()
    """Who spoke when, whether or not there are words for it; empty where nobody asked."""
    quality: Quality = field(default_factory=Quality)
    usage: Usage = field(default_factory=Usage)
    stages: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All segments' text, joined by single spaces."""
        return " ".join(segment.text for segment in self.segments if segment.text)

    @property
    def words(self) -> tuple[Word, ...]:
        """All words in order."""
        return tuple(word for segment in self.segments for word in segment.words)


def plain(text: str) -> str:
    """The text as it may be kept and shown: one line, without control characters, encodable as UTF-8.

    Control characters, line and paragraph separators become one space, byte order marks go, halves of
    surrogate pairs become U+FFFD; no-break and ideographic spaces stay, but not at the ends.
    """
    whole = _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text).replace("\N{ZERO WIDTH NO-BREAK SPACE}", "")
    return _CONTROL.sub(" ", whole).strip()


def joined(words: Iterable[Word]) -> str:
    """The words as they are written: concatenated, with a space wherever ``space_before`` says so."""
    return "".join((" " if word.space_before else "") + word.text for word in words).strip()


def ordered(segments: Sequence[Segment], duration: float) -> tuple[Segment, ...]:
    """Make segments keep the promises of a Transcript, whatever they were.

    Times are finite, whole milliseconds within [0, ``duration``]; a time that is not a number becomes the
    nearest one known before it. Words follow one another inside their segment, which grows to hold them; blank
    words are left out, and so are segments that hold neither text nor words. Segments are sorted by start; one
    that reaches into the next one of the same speaker and channel ends where that one begins. Text is `plain`,
    rebuilt from the words where there are words; the first word has no space before it. A confidence that
    is no probability becomes one, or None. Doing it twice changes nothing more.
    """
    limit = _last_millisecond(duration)
    whole = [kept for segment in segments if (kept := _within(segment, limit)).text]
    whole.sort(key=_by_time)
    return tuple(sorted(_without_overlap(whole), key=_by_time))


def _by_time(segment: Segment) -> tuple[float, float]:
    return segment.start, segment.end


def _within(segment: Segment, limit: float) -> Segment:
    start = _clip(segment.start, 0.0, limit)
    words = _monotonic(segment.words, limit, start)
    end = _clip(segment.end, start, limit)
    if words:
        start, end = min(start, words[0].start), max(end, words[-1].end)
    text = joined(words) if words else plain(segment.text)
    confidence = _probability(segment.confidence)
    return replace(segment, start=start, end=max(start, end), text=text, words=words, confidence=confidence)


def _monotonic(words: Sequence[Word], limit: float, unknown: float) -> tuple[Word, ...]:
    kept: list[Word] = []
    floor = 0.0
    for word in words:
        text = plain(word.text)
        if not text:
            continue
        start = max(floor, _clip(word.start, floor if kept else unknown, limit))
        end = max(start, _clip(word.end, start, limit))
        spaced = word.space_before and bool(kept)
        confidence = _probability(word.confidence)
        kept.append(replace(word, start=start, end=end, text=text, space_before=spaced, confidence=confidence))
        floor = end
    return tuple(kept)


def _without_overlap(segments: list[Segment]) -> list[Segment]:
    last: dict[tuple[str | None, int | None], int] = {}
    for index, segment in enumerate(segments):
        voice = (segment.speaker, segment.channel)
        before = last.get(voice)
        if before is not None and segments[before].end > segment.start:
            segments[before] = _ending_by(segments[before], segment.start)
        last[voice] = index
    return segments


def _ending_by(segment: Segment, limit: float) -> Segment:
    words = tuple(replace(word, start=min(word.start, limit), end=min(word.end, limit)) for word in segment.words)
    return replace(segment, end=max(segment.start, min(segment.end, limit)), words=words)


def _last_millisecond(duration: float) -> float:
    """The last whole millisecond inside the audio: rounding alone could step past its end."""
    nearest = round(float(duration), 3)
    return max(0.0, nearest if nearest <= duration else round(nearest - 0.001, 3))


def _clip(position: float, unknown: float, limit: float) -> float:
    position = float(position)  # numpy's floats are not all JSON's
    return unknown if isnan(position) else round(min(max(0.0, position), limit), 3)


def _probability(confidence: float | None) -> float | None:
    if confidence is None or isnan(confidence):
        return None
    return min(max(0.0, float(confidence)), 1.0)
