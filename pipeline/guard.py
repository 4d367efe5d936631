"""Words that nobody said: what recognisers make of silence, noise, music and long pauses, told and left out.

Recognisers that were trained on films write subtitles also where nobody speaks: thanks for watching, the same phrase
again and again, more words than fit into the time. A segment is judged by its text, its time and its confidence, and
by what the voice activity network heard there; whoever recognised it does not matter. Each rule alone is so wide that
real speech passes: to lose words that were said is worse than to keep some that were not.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from audio.activity import ActivityTrack
from audio.pieces import Piece
from pipeline.boilerplate import is_boilerplate, is_description
from speech.transcript import Recognition, Segment

VERSION = 1
"""Raised when the same recognition would be judged otherwise: part of the cache key."""

VOICE = 0.5
"""Probability from which a moment is speech."""
NO_VOICE = 0.1
"""Probability below which a moment is none, however sure the recogniser is of its words."""
AROUND = 0.25
"""Seconds on both sides of a segment that count with it: recognisers' times are not exact."""
DOUBTFUL, UNSURE, VERY_UNSURE = 0.6, 0.5, 0.25
"""Confidences of segments; Whisper's are the mean probability of a token, and of real speech 0.6 and more."""
GUESSED = 0.15
"""Mean confidence of its words at which a segment is a guess."""
FEW_VOICED, HARDLY_VOICED = 0.5, 0.25
"""Shares of voiced moments: speech has 0.8 and more, and what sounds like speech in music much less."""

MOST_LETTERS_A_SECOND = 35.0
"""Nobody speaks so fast: auctioneers reach 25."""
LETTERS_AT_ONCE = 12
MOST_COMPRESSION = 2.4
"""Whisper's own bound for text that repeats itself; here of characters, whatever the script."""
SHORTEST_COMPRESSED = 60
LONGEST_UNIT = 12
"""Words of the longest phrase whose repetition is looked for."""
SAME_IN_A_ROW = 5
"""So many segments with the same words: where they are hardly voiced, one at most was said."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Guarded:
    """A recognition without what nobody said; ``rejected`` is how many seconds of segments that was."""

    recognition: Recognition
    rejected: float = 0.0


@dataclass(frozen=True)
class Evidence:
    """A segment, whether it is one of many alike in a row, and, where they are known, the probabilities of speech
    around it and in it."""

    segment: Segment
    again: bool = False
    around: NDArray[np.float32] | None = None
    inside: NDArray[np.float32] | None = None

    @property
    def confidence(self) -> float:
        """0.5 where the provider gives none: neither sure nor unsure."""
        return UNSURE if self.segment.confidence is None else self.segment.confidence

    @property
    def doubtful(self) -> bool:
        """Whether the recogniser is not sure, or hardly anybody speaks there."""
        return self.confidence < DOUBTFUL or self.voiced < FEW_VOICED

    @property
    def word_confidence(self) -> float:
        """The mean of its words'; 1 where there are none."""
        known = [word.confidence for word in self.segment.words if word.confidence is not None]
        return sum(known) / len(known) if known else 1.0

    @property
    def seconds(self) -> float:
        """How long it is."""
        return max(self.segment.end - self.segment.start, 0.0)

    @property
    def peak(self) -> float:
        """The likeliest moment of speech; 1 where nothing is known."""
        return 1.0 if self.around is None else float(self.around.max(initial=0.0))

    @property
    def voiced(self) -> float:
        """Share of the moments that are speech; 1 where nothing is known."""
        if self.inside is None:
            return 1.0
        return float(np.mean(self.inside >= VOICE)) if self.inside.size else 0.0

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """Its words; its letters where the script has no spaces."""
        words = tuple(_WORD.findall(self.segment.text.casefold()))
        longest = max((len(word) for word in words), default=0)
        return tuple("".join(words)) if longest > SHORTEST_COMPRESSED / 2 else words


def guard(recognition: Recognition, piece: Piece, track: ActivityTrack | None, language: str | None) -> Guarded:
    """The recognition of a piece without the segments that nobody said.

    Without any segments the language is the one that was asked for: what was detected in noise means nothing.

    Args:
        recognition: of the piece; positions relative to it.
        piece: where it lies in the recording.
        track: the speech that the voice activity network heard in the recording; None when that is not known.
        language: the one that was asked for, None to detect it.

    """
    kept: list[Segment] = []
    rejected = 0.0
    for evidence in _evidence(recognition.segments, piece, track):
        if said(evidence):
            kept.append(evidence.segment)
        else:
            rejected += evidence.seconds
    if not kept and recognition.segments:
        return Guarded(Recognition((), language), round(rejected, 3))
    return Guarded(replace(recognition, segments=tuple(kept)), round(rejected, 3))


def nothing_there(piece: Piece, track: ActivityTrack | None) -> bool:
    """Whether nothing in a piece can be speech, so that whatever were recognised there would be rejected."""
    if track is None:
        return False
    return all(float(track.between(span.start, span.end).max(initial=0.0)) < NO_VOICE for span in piece.spans)


def said(evidence: Evidence) -> bool:
    """Whether somebody said it, as far as can be told."""
    return not any(rule(evidence) for rule in RULES.values())


def warning(kept: float, rejected: float, voiced: float) -> tuple[str, ...]:
    """A sentence when most of the speech was rejected, or gave no words; seconds of each."""
    if rejected > max(kept, 1.0):
        return (
            f"Most of what was recognised ({rejected:.0f} of {kept + rejected:.0f} s) was left out, since nobody seems "
            "to have said it; guard.enabled false keeps it.",
        )
    if voiced >= _WORTH_A_WARNING and kept < voiced * _HARDLY_ANY:
        return (f"Of {voiced:.0f} s that sound like speech, most gave no words.",)
    return ()


_WORTH_A_WARNING = 3.0
_HARDLY_ANY = 0.3


def _evidence(segments: Sequence[Segment], piece: Piece, track: ActivityTrack | None) -> Iterator[Evidence]:
    for segment, again in zip(segments, _in_a_row(segments), strict=True):
        if track is None:
            yield Evidence(segment, again)
            continue
        start = min(segment.start, piece.speech_seconds - _MOMENT)
        end = max(segment.end, start + _MOMENT)
        around = _heard(piece, track, start - AROUND, end + AROUND)
        yield Evidence(segment, again, around, _heard(piece, track, start, end))


_MOMENT = 0.1
"""Seconds that a segment has at least: the times of some have no length."""


def _heard(piece: Piece, track: ActivityTrack, start: float, end: float) -> NDArray[np.float32]:
    """The probabilities between two positions of the piece; the silences that it leaves out do not count."""
    parts, before = [np.empty(0, dtype=np.float32)], 0.0
    for span in piece.spans:
        first, last = max(start - before, 0.0), min(end - before, span.duration)
        if first < last:
            parts.append(track.between(span.start + first, span.start + last))
        before += span.duration
    return np.concatenate(parts)


def _in_a_row(segments: Iterable[Segment]) -> list[bool]:
    """Of each segment, whether it says what at least four others beside it say, and is not the first of them."""
    marks: list[bool] = []
    for words, group in groupby(segments, lambda segment: _WORD.findall(segment.text.casefold())):
        count = len(list(group))
        marks += [bool(words) and count >= SAME_IN_A_ROW and place > 0 for place in range(count)]
    return marks


def _voiceless(evidence: Evidence) -> bool:
    return evidence.peak < NO_VOICE or (evidence.peak < VOICE and evidence.confidence <= UNSURE)


def _unlikely(evidence: Evidence) -> bool:
    if evidence.voiced < HARDLY_VOICED:
        return evidence.confidence < UNSURE
    return evidence.voiced < FEW_VOICED and (evidence.confidence < VERY_UNSURE or evidence.word_confidence < GUESSED)


def _hurried(evidence: Evidence) -> bool:
    letters = sum(sign.isalnum() for sign in evidence.segment.text)
    # A recogniser that is sure of its words, where somebody speaks, is more likely to be wrong about their time.
    return evidence.doubtful and letters > LETTERS_AT_ONCE + MOST_LETTERS_A_SECOND * evidence.seconds


def _looping(evidence: Evidence) -> bool:
    return any(_loops(evidence.tokens, unit) for unit in range(1, LONGEST_UNIT + 1))


def _loops(tokens: Sequence[str], unit: int) -> bool:
    """Whether nearly all of it is one phrase of ``unit`` words, more often than people say anything in a row."""
    equal = [one == other for one, other in zip(tokens, tokens[unit:], strict=False)]
    longest = max((len(list(run)) for same, run in groupby(equal) if same), default=0)
    times = longest // unit + 1
    return times >= _most_times(unit) and longest + unit >= 0.75 * len(tokens)


def _most_times(unit: int) -> int:
    return {1: 12, 2: 8, 3: 6}.get(unit, 5)


def _compressed(evidence: Evidence) -> bool:
    text = evidence.segment.text.casefold()
    if len(text) < SHORTEST_COMPRESSED:
        return False
    # A byte for each character, so that scripts of two and three bytes do not seem to repeat themselves.
    codes = {sign: number % 256 for number, sign in enumerate(dict.fromkeys(text))}
    return len(text) / len(zlib.compress(bytes(codes[sign] for sign in text))) > MOST_COMPRESSION


def _subtitled(evidence: Evidence) -> bool:
    if is_description(evidence.segment.text):
        return True
    return evidence.doubtful and is_boilerplate(evidence.segment.text)


def _repeated(evidence: Evidence) -> bool:
    return evidence.again and evidence.voiced < FEW_VOICED


RULES: dict[str, Callable[[Evidence], bool]] = {
    "voiceless": _voiceless,
    "unlikely": _unlikely,
    "hurried": _hurried,
    "looping": _looping,
    "compressed": _compressed,
    "subtitled": _subtitled,
    "repeated": _repeated,
}
"""By name, the rules of which any one rejects a segment."""
