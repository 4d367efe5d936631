"""Small transcripts for examples."""

from __future__ import annotations

from speech.transcript import Segment, Speaker, Transcript, Word


def spoken(text: str, start: float = 0.0, pace: float = 0.3, speaker: str | None = None) -> Segment:
    """A segment whose words follow one another, ``pace`` seconds each."""
    words = tuple(
        Word(round(start + number * pace, 3), round(start + (number + 1) * pace, 3), word, space_before=number > 0)
        for number, word in enumerate(text.split())
    )
    return Segment(start, words[-1].end, text, words, "en", speaker)


def written(text: str, start: float = 0.0, end: float = 5.0, speaker: str | None = None) -> Segment:
    """A segment without words."""
    return Segment(start, end, text, (), "en", speaker)


def transcript(*segments: Segment, duration: float = 60.0, speakers: tuple[Speaker, ...] = ()) -> Transcript:
    """A transcript of these segments."""
    return Transcript(
        "t1", "j1", "f1", "call.wav", duration, "en", 0.99, "fake", "one", "sha256:00", segments, speakers
    )
