"""Which sets there are, and what lies in them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.sets.clips import ASTERISK, BUNDLED, FILLETS, Clip, Speaker, actors, prompts, readers
from benchmarks.sets.conversations import Conversation, compose, usable
from benchmarks.sets.sound import write

SPLITS = ("tune", "test")
MIXED = "mul"
"""ISO 639-2: several languages."""
WORDS = {"prompts": 700, "actors": 400}
"""Words of a language in each split."""
SHORTEST, LONGEST, FEWEST_WORDS = 1.2, 30.0, 3
FEWEST_TURNS = 2
CONVERSATIONS = (
    *((2, "cs", ""), (2, "cs", "m"), (3, "cs", ""), (3, "cs", "m"), (4, "cs", ""), (4, "cs", "m"), (5, "cs", "")),
    *((2, "nl", ""), (2, "nl", ""), (2, "nl", "")),
    *((2, MIXED, "f"), (2, MIXED, "m"), (3, MIXED, "f"), (3, MIXED, "m"), (3, MIXED, ""), (4, MIXED, "f")),
    *((4, MIXED, "m"), (4, MIXED, ""), (5, MIXED, ""), (5, MIXED, "")),
)
"""Speakers, language, and their sex where all have the same; cpWER means most where there is one language."""


@dataclass(frozen=True)
class Making:
    """Builds below ``folder``; packages are kept there, so that the next time nothing is fetched."""

    folder: Path
    tell: Callable[[str], None]

    def all(self) -> None:
        """All sets, each in its splits."""
        voices = {clip.name: clip for clip in self._clips()}
        found = list(voices.values())
        for split in SPLITS:
            there = [clip for clip in found if clip.split == split]
            self._utterances("prompts", split, [clip for clip in there if clip.language in ASTERISK])
            self._utterances("actors", split, [clip for clip in there if clip.language in FILLETS])
            self._conversations(split, there)
        self._call()

    def _clips(self) -> Iterator[Clip]:
        packages = self.folder / "packages"
        yield from chain.from_iterable(prompts(language, packages) for language in ASTERISK)
        yield from readers(packages)
        yield from chain.from_iterable(actors(language, packages) for language in FILLETS)

    def _utterances(self, name: str, split: str, clips: Sequence[Clip]) -> None:
        with self._set(f"{name}-{split}") as made:
            for language in sorted({clip.language for clip in clips}):
                for clip in _enough([clip for clip in clips if clip.language == language], WORDS[name]):
                    made.utterance(clip)

    def _conversations(self, split: str, clips: Sequence[Clip]) -> None:
        turns = [clip for clip in clips if FEWEST_WORDS <= clip.words <= 40 and usable(clip)]
        with self._set(f"conversations-{split}") as made:
            for number, (count, language, sex) in enumerate(CONVERSATIONS):
                name = "-".join(filter(None, (split, f"{number:02}", language, f"{count}{sex}")))
                some = [clip for clip in turns if language in (MIXED, clip.language) and sex in ("", clip.speaker.sex)]
                made.conversation(_composed(name, language, some, count))

    def _call(self) -> None:
        """The telephone call that lies among the tests; others tuned on it, so it is no test."""
        with self._set("call-tune") as made:
            made.call(BUNDLED / "conversation")

    def _set(self, name: str) -> Written:
        return Written(self.folder / name, self.tell)


class Written:
    """A set being written: what was there before is replaced."""

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        self._folder, self._tell = folder, tell
        self._rows: list[dict[str, Any]] = []
        self._words = 0

    def __enter__(self) -> Written:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            return
        manifest = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in self._rows)
        (self._folder / "manifest.jsonl").write_text(manifest, encoding="utf-8")
        minutes = sum(row["duration"] for row in self._rows) / 60
        digest = hashlib.sha256(manifest.encode()).hexdigest()
        size = f"{len(self._rows)} recordings, {minutes:.1f} min, {self._words} words"
        self._tell(f"{self._folder.name}: {size}, sha256 {digest}")

    def utterance(self, clip: Clip) -> None:
        """One who speaks alone."""
        path = f"{clip.language}/{clip.name}.wav"
        write(self._folder / path, clip.samples)
        self._words += clip.words
        self._add(clip.name, clip.language, path, clip.seconds, [clip.speaker], [clip.source], {"text": clip.text})

    def conversation(self, made: Conversation) -> None:
        """Several, with RTTM and STM beside the samples."""
        write(self._folder / f"{made.name}.wav", made.samples)
        (self._folder / f"{made.name}.rttm").write_text("".join(_rttm(made)), encoding="utf-8")
        (self._folder / f"{made.name}.stm").write_text("".join(_stm(made)), encoding="utf-8")
        self._words += sum(each.clip.words for each in made.spoken)
        more = {
            "rttm": f"{made.name}.rttm",
            "stm": f"{made.name}.stm",
            "composed": True,
            "overlap": round(made.overlap, 3),
        }
        sources = sorted({each.clip.source for each in made.spoken})
        seconds = len(made.samples) / 16_000
        self._add(made.name, made.language, f"{made.name}.wav", seconds, made.speakers, sources, more)

    def call(self, folder: Path) -> None:
        """A recording that has its RTTM and STM."""
        for ending in ("wav", "rttm", "stm"):
            shutil.copy(folder / f"sample.{ending}", self._folder)
        voices = [Speaker("speaker90", "f", "MIT"), Speaker("speaker91", "f", "MIT")]
        more = {"rttm": "sample.rttm", "stm": "sample.stm", "composed": False}
        self._add("call", "en", "sample.wav", 30.0, voices, ["pyannote.audio"], more)

    def _add(
        self,
        name: str,
        language: str,
        path: str,
        seconds: float,
        speakers: Iterable[Speaker],
        sources: Sequence[str],
        more: dict[str, Any],
    ) -> None:
        voices = list(speakers)
        self._rows.append(
            {
                "id": name,
                "lang": language,
                "path": path,
                **more,
                "duration": round(seconds, 2),
                "speakers": [f"{each.name} ({each.sex})" for each in voices],
                "source": ", ".join(sources),
                "licence": ", ".join(dict.fromkeys(each.licence for each in voices)),
                "synthetic": False,
                "sha256": hashlib.sha256((self._folder / path).read_bytes()).hexdigest(),
            }
        )


def _enough(clips: Iterable[Clip], words: int) -> Iterator[Clip]:
    """Utterances until there are so many words."""
    total = 0
    for clip in clips:
        if total >= words:
            return
        if clip.words >= FEWEST_WORDS and SHORTEST <= clip.seconds <= LONGEST and clip.plausible:
            total += clip.words
            yield clip


def _composed(name: str, language: str, clips: Sequence[Clip], count: int) -> Conversation:
    """With so many of the speakers there are, others each time."""
    voices: dict[str, list[Clip]] = {}
    for clip in clips:
        voices.setdefault(clip.speaker.name, []).append(clip)
    able = [voice for voice, some in voices.items() if len(some) >= FEWEST_TURNS]
    if len(able) < count:
        raise ValueError(f"{name} wants {count} speakers, and there are {len(able)}.")
    order = sorted(able, key=lambda voice: hashlib.sha256(f"{name}/{voice}".encode()).hexdigest())
    return compose(name, language, [voices[voice] for voice in order[:count]])


def _rttm(made: Conversation) -> Iterator[str]:
    turns = sorted((begin, end, each.clip.speaker.name) for each in made.spoken for begin, end in each.speech)
    for begin, end, speaker in turns:
        yield f"SPEAKER {made.name} 1 {begin:.3f} {end - begin:.3f} <NA> <NA> {speaker} <NA> <NA>\n"


def _stm(made: Conversation) -> Iterator[str]:
    for each in sorted(made.spoken, key=lambda each: (each.start, each.end)):
        yield f"{made.name} 1 {each.clip.speaker.name} {each.start:.3f} {each.end:.3f} {each.clip.text}\n"
