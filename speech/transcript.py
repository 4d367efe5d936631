"""The one shape of words: every provider ends in it, every format starts from it.

Positions are float seconds from the start of the original audio. Confidences are probabilities in [0, 1],
or None where the provider gives none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace


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
    """A voice in the recording; ``talk_time`` in seconds, ``name`` only when it was identified."""

    label: str
    name: str | None = None
    talk_time: float = 0.0


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


def joined(words: Iterable[Word]) -> str:
    """The words as they are written: concatenated, with a space wherever ``space_before`` says so."""
    return "".join((" " if word.space_before else "") + word.text for word in words).strip()


def ordered(segments: Sequence[Segment], duration: float) -> tuple[Segment, ...]:
    """Make segments keep the promises of a Transcript.

    Times are clipped to [0, ``duration``], words to their order inside their segment, segments sorted by start;
    a segment that reaches into the next one of the same speaker and channel ends where that one begins;
    segments that hold neither text nor words are left out. Where there are words, the text is rebuilt from them.
    """
    whole = [_within(segment, duration) for segment in segments if segment.text.strip() or segment.words]
    whole.sort(key=lambda segment: (segment.start, segment.end))
    return tuple(_without_overlap(whole))


def _within(segment: Segment, duration: float) -> Segment:
    words = _monotonic(segment.words, duration)
    start, end = _clip(segment.start, duration), _clip(segment.end, duration)
    if words:
        start, end = min(start, words[0].start), max(end, words[-1].end)
    text = joined(words) if words else " ".join(segment.text.split())
    return replace(segment, start=start, end=max(start, end), text=text, words=words)


def _monotonic(words: Sequence[Word], duration: float) -> tuple[Word, ...]:
    kept: list[Word] = []
    floor = 0.0
    for word in words:
        text = word.text.strip()
        if not text:
            continue
        start = max(floor, _clip(word.start, duration))
        end = max(start, _clip(word.end, duration))
        kept.append(replace(word, start=start, end=end, text=text, space_before=word.space_before and bool(kept)))
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


def _clip(position: float, duration: float) -> float:
    return round(min(max(position, 0.0), duration), 3)
