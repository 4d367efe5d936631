"""Words and who said them: each word gets the speaker of the turn that it overlaps most, or else of the nearest."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from speech.diarization import Diarization, Turn
from speech.transcript import Segment, Speaker, Word, joined

ALONE = "SPEAKER_00"
"""Who speaks where words were heard and no turn was found."""

_AS_GOOD = 0.8
"""Share of the best overlap from which on whoever speaks already is taken: two who speak at once part no sentence."""


def attribute(segments: Sequence[Segment], diarization: Diarization) -> tuple[Segment, ...]:
    """The segments with a speaker on each and on every word, split wherever the speaker changes.

    No word stays without a speaker: of turns that lie apart from it the nearest counts, and where no turn was found at
    all the words themselves say that somebody speaks. A segment without words has the speaker of most of its time.
    """
    turns = _Turns(diarization.turns)
    return tuple(part for segment in segments for part in _attributed(segment, turns))


def speakers_of(diarization: Diarization, segments: Sequence[Segment]) -> tuple[Speaker, ...]:
    """Everybody who speaks, by label, and for how long; of voices without a turn their segments count."""
    times = diarization.talk_times()
    if not times:
        for segment in segments:
            if segment.speaker is not None:
                times[segment.speaker] = times.get(segment.speaker, 0.0) + segment.end - segment.start
    return tuple(Speaker(label, talk_time=round(times[label], 3)) for label in sorted(times))


@dataclass(frozen=True, slots=True)
class _Share:
    speaker: str
    seconds: float


class _Turns:
    """Turns, found by time: those that reach into an interval lie close together when sorted by start."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = sorted(turns, key=lambda turn: turn.start)
        self._starts = [turn.start for turn in self._turns]
        self._longest = max((turn.duration for turn in turns), default=0.0)

    def shares(self, start: float, end: float) -> list[_Share]:
        """Seconds of the interval in which each speaker speaks; most first."""
        seconds: dict[str, float] = {}
        for turn in self._near(start - self._longest, end):
            inside = min(end, turn.end) - max(start, turn.start)
            if inside > 0:
                seconds[turn.speaker] = seconds.get(turn.speaker, 0.0) + inside
        return sorted((_Share(*share) for share in seconds.items()), key=lambda share: -share.seconds)

    def nearest(self, moment: float, before: str | None) -> str:
        """Who speaks nearest to a moment: whoever spoke before, if nobody is nearer."""
        if not self._turns:
            return ALONE
        index = bisect_left(self._starts, moment)
        beside = self._turns[max(0, index - 1) : index + 1]
        # One that began long before these may still end later than they do.
        reach = self._longest + min(_distance(turn, moment) for turn in beside)
        near = [*beside, *self._near(moment - reach, moment + reach)]
        least = min(_distance(turn, moment) for turn in near)
        speakers = [turn.speaker for turn in near if _distance(turn, moment) == least]
        return before if before in speakers else speakers[0]

    def _near(self, start: float, end: float) -> Iterable[Turn]:
        """Turns that begin in the interval."""
        return self._turns[bisect_left(self._starts, start) : bisect_left(self._starts, end)]


def _distance(turn: Turn, moment: float) -> float:
    return max(turn.start - moment, moment - turn.end, 0.0)


def _attributed(segment: Segment, turns: _Turns) -> Iterator[Segment]:
    if not segment.words:
        yield replace(segment, speaker=_speaker(segment.start, segment.end, None, turns))
        return
    words: list[Word] = []
    before: str | None = None
    for word in segment.words:
        before = _speaker(word.start, word.end, before, turns)
        words.append(replace(word, speaker=before))
    groups = [tuple(group) for _, group in groupby(words, key=lambda word: word.speaker)]
    if len(groups) == 1:
        yield replace(segment, words=groups[0], speaker=before)
        return
    for group in groups:
        yield _part(segment, group)


def _part(segment: Segment, words: tuple[Word, ...]) -> Segment:
    whole = (replace(words[0], space_before=False), *words[1:])
    return replace(
        segment,
        start=words[0].start,
        end=words[-1].end,
        text=joined(whole),
        words=whole,
        speaker=words[0].speaker,
    )


def _speaker(start: float, end: float, before: str | None, turns: _Turns) -> str:
    shares = turns.shares(start, end)
    if not shares:
        return turns.nearest((start + end) / 2, before)
    going_on = next((share for share in shares if share.speaker == before), None)
    if going_on is not None and going_on.seconds >= _AS_GOOD * shares[0].seconds:
        return going_on.speaker
    return shares[0].speaker
