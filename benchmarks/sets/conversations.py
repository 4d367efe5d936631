"""Conversations composed of utterances that real people spoke alone: who speaks when is known to ten milliseconds.

Turns follow one another with pauses or overlap, and now and then somebody speaks while another does not stop. Everybody
has a level of their own, and there is a little noise beneath. What they say makes no sense together: the sets are for
who spoke when, and for words with their speakers, not for how people talk with one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from random import Random

import numpy as np
from numpy.typing import NDArray

from benchmarks.sets.clips import Clip, Speaker
from benchmarks.sets.sound import SAMPLE_RATE, levelled, stretches

SECONDS = 75.0
"""A conversation ends with the turn that reaches so far."""
LEVEL = -25.0
NOISE = -66.0
OVERLAPPED = 0.3
"""Share of turns that begin before the one before them ends."""
INSIDE = 0.12
"""Share of turns that lie within the one before."""
SHORTEST_TURN, LONGEST_TURN = 1.0, 12.0


@dataclass(frozen=True)
class Spoken:
    """An utterance in its place: when it begins and ends, and the stretches in which there is speech, in seconds."""

    clip: Clip
    start: float
    end: float
    speech: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Conversation:
    """The samples, and who says what when."""

    name: str
    language: str
    samples: NDArray[np.float32]
    spoken: tuple[Spoken, ...]

    @property
    def speakers(self) -> list[Speaker]:
        """Everybody, in the order of their first turn."""
        return list(dict.fromkeys(each.clip.speaker for each in self.spoken))

    @property
    def overlap(self) -> float:
        """Share of the time with speech in which several speak."""
        count = np.zeros(len(self.samples) // 160 + 1, dtype=np.int8)
        for each in self.spoken:
            for begin, end in each.speech:
                count[round(begin * 100) : round(end * 100)] += 1
        return float((count > 1).sum() / max((count > 0).sum(), 1))


def compose(name: str, language: str, voices: Sequence[Sequence[Clip]]) -> Conversation:
    """A conversation of the speakers whose utterances are given, a sequence for each; the name decides everything."""
    composing = _Composing(Random(int(sha256(name.encode()).hexdigest(), 16)), [list(clips) for clips in voices])
    while composing.end < SECONDS and composing.go_on():
        pass
    mixed = np.zeros(int((composing.end + 0.5) * SAMPLE_RATE), dtype=np.float32)
    for spoken, samples in composing.placed:
        begin = round(spoken.start * SAMPLE_RATE)
        mixed[begin : begin + len(samples)] += samples
    return Conversation(name, language, _noisy(name, mixed), tuple(spoken for spoken, _ in composing.placed))


class _Composing:
    """Places one utterance after the other."""

    def __init__(self, chance: Random, voices: list[list[Clip]]) -> None:
        self.placed: list[tuple[Spoken, NDArray[np.float32]]] = []
        self._chance = chance
        self._left = [self._shuffled(clips) for clips in voices]
        self._levels = [LEVEL + 6 * (chance.random() - 0.5) for _ in voices]
        self._free = [0.2] * len(voices)
        self._silent = set(range(len(voices)))
        self._last = -1

    @property
    def end(self) -> float:
        """When the last one stops."""
        return max((spoken.end for spoken, _ in self.placed), default=0.0)

    def go_on(self) -> bool:
        """Place one more; false when nobody has anything left to say."""
        able = [who for who, clips in enumerate(self._left) if clips]
        others = [who for who in able if who != self._last] or able
        if not others:
            return False
        # Who has said nothing yet comes first: everybody takes part.
        waiting = [who for who in others if who in self._silent]
        self._place(self._chosen(waiting or others))
        return True

    def _place(self, who: int) -> None:
        clip = self._left[who].pop()
        samples, speech = _cut(clip)
        start = round(max(self._start(len(samples) / SAMPLE_RATE, who), self._free[who]), 2)
        spans = tuple((round(start + begin, 2), round(start + end, 2)) for begin, end in speech)
        self.placed.append((Spoken(clip, start, spans[-1][1], spans), levelled(samples, self._levels[who])))
        self._free[who] = spans[-1][1] + 0.3
        self._silent.discard(who)
        self._last = who

    def _start(self, seconds: float, who: int) -> float:
        if not self.placed:
            return 0.2
        before = self.placed[-1][0]
        dice = self._chance.random()
        room = before.end - before.start
        if who != self._last and dice < INSIDE and seconds < room - 0.6:
            return before.start + 0.3 + (room - seconds - 0.6) * self._chance.random()
        if who != self._last and dice < INSIDE + OVERLAPPED:
            return before.end - min(0.2 + 1.3 * self._chance.random(), room / 2, seconds / 2)
        return self.end + 0.1 + 1.1 * self._chance.random() ** 2

    def _chosen(self, from_these: Sequence[int]) -> int:
        return from_these[int(self._chance.random() * len(from_these))]

    def _shuffled(self, clips: Sequence[Clip]) -> list[Clip]:
        return [clip for _, _, clip in sorted((self._chance.random(), clip.order, clip) for clip in clips)]


def usable(clip: Clip) -> bool:
    """Whether an utterance can be a turn: neither very short nor long, and with speech in it that is clearly there."""
    if not SHORTEST_TURN <= clip.seconds <= LONGEST_TURN or not clip.plausible:
        return False
    return sum(end - begin for begin, end in stretches(clip.samples)) >= SHORTEST_TURN / 2


def _cut(clip: Clip) -> tuple[NDArray[np.float32], list[tuple[float, float]]]:
    """The utterance without the silence around it, and where in that there is speech."""
    speech = stretches(clip.samples)
    begin, end = speech[0][0], speech[-1][1]
    samples = clip.samples[round(begin * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
    return samples, [(one - begin, other - begin) for one, other in speech]


def _noisy(name: str, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    noise = np.random.default_rng(int(sha256(name.encode()).hexdigest()[:16], 16)).standard_normal(len(samples))
    mixed = samples + 10 ** (NOISE / 20) * noise
    return np.asarray(mixed / max(1.0, float(np.abs(mixed).max()) / 0.99), dtype=np.float32)
