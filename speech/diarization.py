"""Who spoke when: turns of voices, without words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch in which one voice speaks; turns of different speakers may overlap. Seconds from the start."""

    start: float
    end: float
    speaker: str

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Voice:
    """What one speaker sounds like: ``embedding`` is a vector of the diarizer's model, ``seconds`` how much was heard
    for it. Biometric data: it is kept only where somebody asked for it."""

    speaker: str
    embedding: tuple[float, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Diarization:
    """The turns of a recording, sorted by start, and the voices by speaker where the diarizer gives them."""

    turns: tuple[Turn, ...] = ()
    voices: tuple[Voice, ...] = ()

    @property
    def speakers(self) -> tuple[str, ...]:
        """Everybody who speaks, in the order of their first turn."""
        return tuple(dict.fromkeys(turn.speaker for turn in self.turns))

    def talk_times(self) -> dict[str, float]:
        """Seconds that each speaker speaks, overlaps counted for everybody in them."""
        times: dict[str, float] = defaultdict(float)
        for turn in self.turns:
            times[turn.speaker] += turn.duration
        return dict(times)


def labelled(turns: Iterable[Turn], voices: Sequence[Voice] = ()) -> Diarization:
    """Turns as the result names them: SPEAKER_00 is who speaks first; sorted, whole milliseconds, none empty."""
    whole = [Turn(round(turn.start, 3), round(turn.end, 3), turn.speaker) for turn in turns]
    kept = sorted((turn for turn in whole if turn.end > turn.start), key=lambda turn: (turn.start, turn.end))
    names = {old: f"SPEAKER_{number:02d}" for number, old in enumerate(dict.fromkeys(turn.speaker for turn in kept))}
    return Diarization(
        tuple(Turn(turn.start, turn.end, names[turn.speaker]) for turn in kept),
        tuple(
            Voice(names[voice.speaker], voice.embedding, voice.seconds)
            for voice in sorted(voices, key=lambda voice: names.get(voice.speaker, ""))
            if voice.speaker in names
        ),
    )
