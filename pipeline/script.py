"""A user's own text beside what a recogniser heard: which words are the same, and where the text can be cut.

Pure functions over words. Times are seconds from the start of the recording; heard words are in order. Three hours are
30,000 words: matching takes seconds and little memory (Hyyrö's bit-parallel edit distance in Hirschberg's halves, by
the library rapidfuzz).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from unicodedata import normalize

from providers.aligner import Timing
from providers.unspoken import filled, shared, spoken
from speech.errors import TextMismatch
from speech.formats.breaks import unspaced
from speech.transcript import Word

LEAST_MATCHED = 0.26
"""Share of the words, of the text or of what was heard, whichever is more, that must be the same.

On the real clips in five languages, heard by Whisper base (benchmarks/results/alignment.md), it is 0.46 and more of the
right text, 0.31 and more with a fifth of its words wrong, 0.22 at most of another clip's, and 0 in another language.
"""
FEWEST_JUDGED = 5
"""Words of the text below which single matches count too."""
_FASTEST = 0.03
"""Seconds a letter; nobody speaks faster."""
_REACH = 0.6
"""Seconds of audio beside an anchored word that a stretch takes with it: a recogniser's times are not exact."""
_UNSURE = 0.5
"""Seconds for each word that may be said before the first and after the last anchored one."""

Matches = Sequence[int | None]
"""For each word of the text the heard word that is the same, or None; growing."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The text may be cut before word ``word``: what is before ends by ``end``, what follows begins at ``start``."""

    word: int
    end: float
    start: float
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """The words between the first of the cuts and the last; where there are others between, it can be cut in two."""

    cuts: tuple[Cut, ...]

    @property
    def first(self) -> int:
        """Its first word."""
        return self.cuts[0].word

    @property
    def last(self) -> int:
        """The word after its last one."""
        return self.cuts[-1].word

    @property
    def start(self) -> float:
        """Seconds from the start of the recording."""
        return self.cuts[0].start

    @property
    def end(self) -> float:
        """Likewise."""
        return max(self.start, self.cuts[-1].end)

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.end - self.start

    def halves(self) -> tuple[Stretch, ...]:
        """Two, cut at the widest pause near the middle; none when it cannot be cut."""
        last = len(self.cuts) - 1
        near = sorted((at for at in range(1, last) if last <= 4 * at <= 3 * last), key=lambda at: abs(2 * at - last))
        if not near:
            return ()
        at = max(near, key=lambda at: self.cuts[at].pause)
        return Stretch(self.cuts[: at + 1]), Stretch(self.cuts[at:])


def matched(words: Sequence[str], heard: Sequence[str]) -> list[int | None]:
    """For each word of the text the index of the heard word that is the same, capitals and marks aside, or None."""
    from rapidfuzz.distance import Levenshtein

    ours, owners = _units(words)
    theirs, their_owners = _units(heard)
    found: list[int | None] = [None] * len(words)
    for change in Levenshtein.opcodes(ours, theirs):
        if change.tag == "equal":
            for step in range(change.src_end - change.src_start):
                word = owners[change.src_start + step]
                if found[word] is None:
                    found[word] = their_owners[change.dest_start + step]
    return found


def share_matched(words: Sequence[str], heard: Sequence[str], matches: Matches) -> float:
    """How many of the words were heard, in [0, 1]; of the heard words, if those are fewer.

    Of texts of five words and more only those words count that have a neighbour which was heard beside them.
    """
    said = [index for index, word in enumerate(words) if spoken(word)]
    few = len(said) < FEWEST_JUDGED
    same = sum(matches[index] is not None and (few or _solid(matches, index)) for index in said)
    fewer = min(len(said), sum(map(spoken, heard)))
    return min(1.0, same / fewer) if fewer else 0.0


def check_belongs(words: Sequence[str], heard: Sequence[str], matches: Matches) -> None:
    """Refuse a text that is not what is spoken.

    Raises:
        TextMismatch: when fewer words are the same than chance and common words bring about.

    """
    if share_matched(words, heard, matches) < LEAST_MATCHED:
        raise TextMismatch(
            "The text is not what is spoken in the recording: too few of its words were heard there. Check that it "
            "is the text of this recording, and that the language is right."
        )


def stretches(
    words: Sequence[str], matches: Matches, heard: Sequence[Word], longest: float, duration: float
) -> tuple[Stretch, ...]:
    """The text cut where two words next to each other were both heard, each stretch as long as ``longest`` allows.

    A stretch in which nothing can be cut may be longer.
    """
    cuts = list(_cuts(words, matches, heard, duration))
    found: list[Stretch] = []
    at = 0
    while at < len(cuts) - 1:
        to = _next(cuts, at, longest)
        found.append(Stretch(tuple(cuts[at : to + 1])))
        at = to
    return tuple(found)


def unsaid(words: Sequence[str], matches: Matches, heard: Sequence[Word], duration: float) -> frozenset[int]:
    """The words of the text that nobody said: there is no time for them between two that were heard, before the first
    one or after the last."""
    anchors = [(index, heard[match]) for index, match in enumerate(matches) if match is not None]
    ends = [(-1, 0.0), *((index, word.end) for index, word in anchors)]
    starts = [*((index, word.start) for index, word in anchors), (len(words), duration)]
    found: set[int] = set()
    for (left, before), (right, after) in zip(ends, starts, strict=True):
        between = range(left + 1, right)
        if after - before < _FASTEST * sum(len(words[index]) for index in between):
            found.update(between)
    return frozenset(found)


def timed(
    words: Sequence[str], matches: Matches, heard: Sequence[Word], aligned: Mapping[int, Timing], duration: float
) -> tuple[Timing, ...]:
    """A time for each word of the text: as aligned; else as heard, shared with those that were heard as one word; else
    its share of what lies between."""
    known = [aligned.get(index) for index in range(len(words))]
    for match, run in _heard_as_one(matches, aligned):
        before, after = aligned.get(run.start - 1), aligned.get(run.stop)
        known[run.start : run.stop] = _parted(heard[match], words[run.start : run.stop], before, after)
    return filled(list(_in_order(known, duration)), words, duration)


def _heard_as_one(matches: Matches, aligned: Mapping[int, Timing]) -> Iterator[tuple[int, range]]:
    """Each heard word whose words were not aligned, and these: several in scripts without spaces."""
    for match, group in groupby(range(len(matches)), lambda index: None if index in aligned else matches[index]):
        if match is not None:
            run = list(group)
            yield match, range(run[0], run[-1] + 1)


def _parted(said: Word, words: Sequence[str], before: Timing | None, after: Timing | None) -> list[Timing]:
    """The time of a heard word shared out among the words of the text that it is, outside of aligned neighbours."""
    start = said.start if before is None else max(said.start, before.end)
    end = said.end if after is None else min(said.end, after.start)
    return [replace(timing, confidence=said.confidence) for timing in shared(start, max(start, end), words)]


def _in_order(timings: Sequence[Timing | None], duration: float) -> Iterator[Timing | None]:
    """None before the end of the one before it: an aligned word and a heard one may disagree."""
    floor = 0.0
    for timing in timings:
        if timing is None:
            yield None
            continue
        start = min(max(timing.start, floor), duration)
        floor = min(max(timing.end, start), duration)
        yield Timing(start, floor, timing.confidence)


def _solid(matches: Matches, index: int) -> bool:
    """Whether a word beside it was heard beside it too: single words are found anywhere in a long recording."""
    here = matches[index] or 0
    before = matches[index - 1] if index else None
    after = matches[index + 1] if index + 1 < len(matches) else None
    return before == here - 1 or after == here + 1


def _units(words: Sequence[str]) -> tuple[list[str], list[int]]:
    """What is compared, and the word that each belongs to: whole words, or the characters of scripts without spaces."""
    units: list[str] = []
    owners: list[int] = []
    for index, word in enumerate(words):
        bare = _bare(word)
        parts = list(bare) if unspaced(bare) else [bare] if bare else []
        units += parts
        owners += [index] * len(parts)
    return units, owners


def _bare(word: str) -> str:
    """Letters and digits alone, without capitals and width."""
    return re.sub(r"[\W_]+", "", normalize("NFKC", word).casefold())


def _cuts(words: Sequence[str], matches: Matches, heard: Sequence[Word], duration: float) -> list[Cut]:
    anchors = [index for index, match in enumerate(matches) if match is not None]
    if not anchors:
        return [Cut(0, 0.0, 0.0), Cut(len(words), duration, duration)]
    first, last = heard[matches[anchors[0]] or 0], heard[matches[anchors[-1]] or 0]
    silent = unsaid(words, matches, heard, duration)
    head, tail = set(range(anchors[0])) - silent, set(range(anchors[-1] + 1, len(words))) - silent
    begin = max(0.0, first.start - _REACH - _UNSURE * len(head))
    end = min(duration, last.end + _REACH + _UNSURE * len(tail))
    between = [
        _cut(right, heard[matches[left] or 0].end, heard[matches[right] or 0].start)
        for left, right in pairwise(anchors)
        if right == left + 1
    ]
    return [Cut(0, begin, begin), *between, Cut(len(words), end, end)]


def _cut(word: int, before: float, after: float) -> Cut:
    """The cut before a word that begins at ``after``, behind one that ends at ``before``."""
    middle = (before + after) / 2
    return Cut(word, min(middle, before + _REACH), max(middle, after - _REACH), after - before)


def _next(cuts: Sequence[Cut], at: int, longest: float) -> int:
    """The cut that ends the stretch from cut ``at``: of those in its second half the widest, or else the last."""
    last = at + 1
    while last + 1 < len(cuts) and cuts[last + 1].end - cuts[at].start <= longest:
        last += 1
    if last == len(cuts) - 1:
        return last
    late = [to for to in range(at + 1, last + 1) if cuts[to].end - cuts[at].start >= longest / 2]
    return max(late, key=lambda to: cuts[to].pause) if late else last
