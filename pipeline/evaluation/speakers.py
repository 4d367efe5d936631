"""Who spoke when, and who said what: diarization error rate and concatenated minimum-permutation word error rate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pipeline.evaluation.references import Utterance
from pipeline.evaluation.words import Edits, normalised, word_edits
from speech.diarization import Turn
from speech.transcript import Transcript, joined

UNKNOWN = "nobody"
"""Whose words those are that the transcript gives to no speaker."""
MEETEVAL_SPEAKERS = 20
"""More than so many on either side meeteval refuses to pair."""


@dataclass(frozen=True, slots=True)
class WrongTime:
    """Seconds of a diarization that are wrong, of ``total`` seconds of speech, overlaps counted for all in them."""

    total: float
    missed: float
    false_alarm: float
    confusion: float

    @property
    def errors(self) -> float:
        """All three together."""
        return self.missed + self.false_alarm + self.confusion


def turns_of(transcript: Transcript) -> tuple[Turn, ...]:
    """Who speaks when, as the transcript's RTTM says: its turns, or its segments where there are none (channels)."""
    if transcript.turns:
        return transcript.turns
    return tuple(
        Turn(segment.start, segment.end, segment.speaker) for segment in transcript.segments if segment.speaker
    )


def words_without_speaker(transcript: Transcript) -> int:
    """Words that the transcript gives to nobody."""
    return sum(
        sum(not (word.speaker or segment.speaker) for word in segment.words)
        if segment.words
        else (0 if segment.speaker else len(segment.text.split()))
        for segment in transcript.segments
    )


def wrong_time(reference: Iterable[Turn], hypothesis: Iterable[Turn], duration: float, collar: float) -> WrongTime:
    """The parts of the diarization error rate (NIST RT-09), by pyannote.metrics; overlapped speech is scored.

    ``collar`` seconds on each side of every boundary of the reference are left out, as NIST's md-eval does. Speech of
    the reference after ``duration`` counts too: a recording whose end was lost must not look better for it.
    """
    from pyannote.core import Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    turns = tuple(reference)
    end = max((turn.end for turn in turns), default=0.0)
    if not max(duration, end):
        return WrongTime(0.0, 0.0, 0.0, 0.0)
    metric = DiarizationErrorRate(collar=2 * collar, skip_overlap=False)
    whole = Timeline([Segment(0.0, max(duration, end))])
    found = metric.compute_components(_annotation(turns), _annotation(hypothesis), uem=whole)
    missed, alarm, confused = found["missed detection"], found["false alarm"], found["confusion"]
    return WrongTime(*(round(float(value), 6) for value in (found["total"], missed, alarm, confused)))


def _annotation(turns: Iterable[Turn]) -> Any:
    """Turns of one speaker that overlap are one: nobody speaks twice at a time."""
    from pyannote.core import Annotation, Segment

    annotation = Annotation(uri="recording")
    for number, turn in enumerate(turns):
        if turn.end > turn.start:
            annotation[Segment(turn.start, turn.end), number] = turn.speaker
    return annotation.support()


def speaker_edits(said: Sequence[Utterance], transcript: Transcript, language: str) -> Edits:
    """Word errors when each speaker's words are one text, and speakers are paired so that errors are fewest (cpWER).

    By meeteval (Watanabe et al. 2020; von Neumann et al. 2023) as far as it goes. A speaker who is paired with none
    counts whole.
    """
    from meeteval.wer import cp_word_error_rate

    reference = _by_speaker(((each.speaker, each.text) for each in sorted(said, key=lambda each: each.start)), language)
    hypothesis = _by_speaker(_spoken(transcript), language)
    if not reference or not hypothesis or max(len(reference), len(hypothesis)) > MEETEVAL_SPEAKERS:
        return paired_edits(tuple(reference.values()), tuple(hypothesis.values()))
    # The texts are in order already: without times nothing else could order them.
    found = cp_word_error_rate(reference, hypothesis, reference_sort=False, hypothesis_sort=False)
    return Edits(found.substitutions, found.deletions, found.insertions, found.length)


def paired_edits(reference: Sequence[str], hypothesis: Sequence[str]) -> Edits:
    """The fewest word errors that normalised texts have when each is paired with one of the other side, or with none.

    As meeteval does it, by the Hungarian algorithm, for any number of speakers.
    """
    from scipy.optimize import linear_sum_assignment

    size = max(len(reference), len(hypothesis))
    ours, theirs = ([*texts, *[""] * (size - len(texts))] for texts in (reference, hypothesis))
    edits = [[word_edits(one, other) for other in theirs] for one in ours]
    if not edits:
        return Edits(0, 0, 0, 0)
    pairs = zip(*linear_sum_assignment([[each.errors for each in row] for row in edits]), strict=True)
    return sum((edits[row][column] for row, column in pairs), start=Edits(0, 0, 0, 0))


def _spoken(transcript: Transcript) -> Iterator[tuple[str, str]]:
    for segment in transcript.segments:
        whose = segment.speaker or UNKNOWN
        if not segment.words:
            yield whose, segment.text
        for speaker, words in groupby(segment.words, lambda word: word.speaker):
            yield speaker or whose, joined(words)


def _by_speaker(pieces: Iterable[tuple[str, str]], language: str) -> Mapping[str, str]:
    """Each speaker's words as one normalised text; who says nothing is left out."""
    spoken: dict[str, list[str]] = defaultdict(list)
    for speaker, text in pieces:
        spoken[speaker].append(text)
    texts = {speaker: normalised(" ".join(parts), language) for speaker, parts in spoken.items()}
    return {speaker: text for speaker, text in texts.items() if text}
