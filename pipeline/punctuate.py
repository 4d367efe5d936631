"""Words as people write them: each voice's words handed to a punctuator, its writing put back where they were."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from pydantic import TypeAdapter

from pipeline.observer import Observer, go_on
from pipeline.steps import StepKey, StepStore, run_step, step_key
from providers.punctuator import Punctuator
from providers.role import StepWatch
from providers.writing import UNSPACED, signs
from speech.errors import UnsupportedOption
from speech.jobs import Stage
from speech.transcript import Segment, joined

VERSION = 1
"""Raised when the same segments would be written otherwise by this file."""

_SHAPE = TypeAdapter(tuple[str, ...])
_SPACE = re.compile("( +)")  # no-break spaces are inside of words: 10 000


def punctuate_segments(
    owner_id: str,
    segments: Sequence[Segment],
    punctuator: Punctuator,
    language: str | None,
    steps: StepStore,
    observer: Observer,
) -> tuple[Segment, ...]:
    """The same segments in the same order, their words and texts written anew; times, spaces and voices stay.

    A voice (speaker and channel) is handed over as a whole, in order, so that its sentences may reach over segments;
    what it says in another language is handed over apart. ``language`` is that of segments that have none.

    Raises:
        UnsupportedOption: when the punctuator does not know a segment's language, or nobody does.
        ProviderError: as the punctuator does.
        JobCancelled: when the observer says so.

    """
    written = list(segments)
    total = sum(_length(segment) for segment in segments) or 1
    before = 0
    for spoken, indices in _voices(segments, punctuator, language).items():
        go_on(observer)
        lines = [_Line.of(segments[index], spoken.language) for index in indices]
        share = sum(_length(segments[index]) for index in indices)
        new = _rewritten(owner_id, lines, punctuator, spoken.language, steps, _watch(observer, before, share, total))
        for index, line in zip(indices, lines, strict=True):
            written[index] = line.written([next(new) for _ in line.words])
        before += share
        observer.progress(Stage.PUNCTUATING, before / total)
    return tuple(written)


@dataclass(frozen=True, slots=True)
class _Voice:
    speaker: str | None
    channel: int | None
    language: str


@dataclass(frozen=True, slots=True)
class _Line:
    """The words of one segment; ``spaces`` is what stood before each, where the segment has text alone."""

    segment: Segment
    words: tuple[str, ...]
    spaces: tuple[str, ...] = ()

    @classmethod
    def of(cls, segment: Segment, language: str) -> _Line:
        if segment.words:
            return cls(segment, tuple(word.text for word in segment.words))
        parts = _SPACE.split(segment.text.strip())
        unspaced = language.split("-")[0] in UNSPACED
        words: list[str] = []
        spaces: list[str] = []
        for space, part in zip(("", *parts[1::2]), parts[::2], strict=True):
            units = signs(part) if unspaced else [part]
            words += units
            spaces += [space, *("" for _ in units[1:])][: len(units)]
        return cls(segment, tuple(words), tuple(spaces))

    def gaps(self) -> Iterator[float | None]:
        """The silences between the words, in seconds: one fewer than words."""
        if not self.segment.words:
            yield from (None for _ in self.words[1:])
        for one, other in pairwise(self.segment.words):
            yield _gap(one.end, other.start)

    def written(self, new: Sequence[str]) -> Segment:
        """The segment with its words written so."""
        if self.segment.words:
            pairs = zip(self.segment.words, new, strict=True)
            words = tuple(replace(word, text=text) for word, text in pairs)
            return replace(self.segment, words=words, text=joined(words))
        text = "".join(space + word for space, word in zip(self.spaces, new, strict=True))
        return replace(self.segment, text=text)


def _voices(segments: Sequence[Segment], punctuator: Punctuator, language: str | None) -> dict[_Voice, list[int]]:
    """Where each voice's segments are, by voice and language, in the order in which they are first heard."""
    voices: dict[_Voice, list[int]] = {}
    for index, segment in enumerate(segments):
        if segment.words or segment.text.strip():
            spoken = _known(punctuator, segment.language or language)
            voices.setdefault(_Voice(segment.speaker, segment.channel, spoken), []).append(index)
    return voices


def _known(punctuator: Punctuator, language: str | None) -> str:
    languages = punctuator.abilities.languages or ()
    spoken = language or (languages[0] if len(languages) == 1 else None)
    if spoken is None:
        raise UnsupportedOption("punctuation: nobody says in which language this is; name it.", "language")
    if not punctuator.abilities.knows(spoken):
        raise UnsupportedOption(
            f"punctuation: {punctuator.name} does not know the language {spoken!r}.", "punctuation.provider"
        )
    return spoken


def _rewritten(
    owner_id: str, lines: Sequence[_Line], punctuator: Punctuator, language: str, steps: StepStore, watch: StepWatch
) -> Iterator[str]:
    words = [word for line in lines for word in line.words]
    gaps = list(_all_gaps(lines))
    key = _key(owner_id, words, gaps, punctuator, language)
    new = run_step(steps, key, _SHAPE, lambda: punctuator.punctuate(words, language, watch, gaps))
    return iter(new)


def _all_gaps(lines: Sequence[_Line]) -> Iterator[float | None]:
    for line, following in pairwise((*lines, None)):
        if line is not None and line.words:
            yield from line.gaps()
            yield None if following is None else _gap(line.segment.end, following.segment.start)


def _gap(end: float, start: float) -> float:
    return round(max(0.0, start - end), 3)


def _length(segment: Segment) -> int:
    return len(segment.text)


def _watch(observer: Observer, before: int, share: int, total: int) -> StepWatch:
    def advanced(fraction: float) -> None:
        observer.progress(Stage.PUNCTUATING, min(1.0, (before + fraction * share) / total))

    return StepWatch(cancelled=observer.cancelled, advanced=advanced)


def _key(owner_id: str, words: list[str], gaps: list[float | None], punctuator: Punctuator, language: str) -> StepKey:
    return step_key(
        owner_id, "punctuate", VERSION, provider=punctuator.identity(), language=language, words=words, gaps=gaps
    )
