"""Are there words where nobody speaks, and are words lost that were said?

Through the pipeline as a job goes through it (decoding aside): voice activity, pieces, recognition, guard. The same
recognition is judged with the guard and without it, so that both differ by the guard alone.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar

import jiwer
import numpy as np

from audio.activity import Activity, ActivityTrack
from audio.pieces import Piece, cut
from audio.quality import measure
from audio.spans import Span
from audio.spool import Spool
from audio.vad import speech_spans
from benchmarks.guard_costs import Costs, bare, punctuated, shares, written
from benchmarks.sounds import RATE, SOUNDS, Sound, pink, real_music, silence, white
from pipeline.guard import Guarded, guard
from pipeline.prepare import everything
from pipeline.recognise import on_time_line
from pipeline.runtime import Runtime
from providers.base import RecognitionOptions
from speech.options import TranscribeRequest, VadOptions
from speech.settings import Settings
from speech.transcript import Recognition, Segment, ordered

T = TypeVar("T")
ROOT = Path(__file__).parent.parent
CLIPS = ROOT / "tests" / "data" / "audio"
MODELS = ("base", "tiny.en")
PIECE_SECONDS: float = Settings.model_fields["piece_seconds"].default
PAUSE_SECONDS = 20.0
TRIES = 10_000
NEAR = 0.5
"""Seconds by which a clip's first and last word may miss the clip's ends, which lie in its silence."""


@dataclass(frozen=True)
class Clip:
    """A real recording with what is said in it."""

    language: str
    text: str
    sound: Sound


@dataclass(frozen=True)
class Listened:
    """A recording before it is recognised."""

    spool: Spool
    speech: tuple[Span, ...]
    track: ActivityTrack

    @property
    def speech_ratio(self) -> float:
        """As it stands in a result."""
        return measure(self.spool, self.speech).speech_ratio or 0.0


@dataclass(frozen=True)
class Heard:
    """The segments of one recording without the guard and with it."""

    off: tuple[Segment, ...]
    on: tuple[Segment, ...]


@dataclass
class Ear:
    """The steps of the pipeline, with any model."""

    runtime: Runtime
    folder: Path
    costs: Costs = field(default_factory=Costs)

    def listen(self, sound: Sound) -> Listened:
        """Look for speech."""
        path = self.folder / "sound.pcm"
        np.round(np.clip(sound, -1, 32767 / 32768) * 32768).astype("<i2").tofile(path)
        spool = Spool.at(path)
        return self.costs.of("VAD", lambda: self._voice(spool))

    def hear(self, listened: Listened, model: str, language: str = "auto", *, vad: bool = True) -> Heard:
        """Recognise what `listen` gave last."""
        options = self.runtime.registry.check(TranscribeRequest(model=model, language=language))
        pieces = cut(listened.speech, PIECE_SECONDS)
        off: list[Segment] = []
        on: list[Segment] = []
        for piece in pieces if vad else everything(pieces, listened.spool.duration):
            heard, judged = self._piece(piece, listened, options)
            off += on_time_line(piece, heard)
            on += on_time_line(piece, judged.recognition)
        return Heard(ordered(off, listened.spool.duration), ordered(on, listened.spool.duration))

    def _voice(self, spool: Spool) -> Listened:
        probabilities = self.runtime.voice_activity.probabilities(spool)
        speech = speech_spans(probabilities, VadOptions(), spool.duration)
        return Listened(spool, speech, Activity.of(probabilities).track())

    def _piece(self, piece: Piece, listened: Listened, options: RecognitionOptions) -> tuple[Recognition, Guarded]:
        samples = listened.spool.gather(piece.spans)
        recogniser = self.runtime.registry.get("faster_whisper")
        heard = self.costs.of("recognition", lambda: recogniser.recognise(samples, options))
        return heard, self.costs.of("guard", lambda: guard(heard, piece, listened.track, options.language))


def run(quick: bool) -> tuple[str, bool]:
    """All figures, and whether every bound holds."""
    with _ear() as ear:
        parts = [
            nobody_speaks(ear, 20 if quick else 600),
            pauses(ear, 2 if quick else 6),
            nothing_lost(ear, ["en"] if quick else None),
        ]
        if not quick:
            parts.append((without_vad(ear, 20), True))
    return "\n\n".join(text for text, _ in parts), all(kept for _, kept in parts)


@contextmanager
def _ear() -> Iterator[Ear]:
    with tempfile.TemporaryDirectory(prefix="woa-guard-") as folder:
        settings = Settings(_env_file=None, data_dir=Path(folder) / "data", models_dir=ROOT / "var" / "models")
        runtime = Runtime.open(settings)
        try:
            yield Ear(runtime, Path(folder))
        finally:
            runtime.close()


def nobody_speaks(ear: Ear, seconds: float) -> tuple[str, bool]:
    """Words in sounds without any; the guard's bound is none, with VAD as by default."""
    rows, kept = [], True
    for name, sound in _wordless(seconds):
        cells, listened = [], ear.listen(sound)
        for model in MODELS:
            heard = ear.hear(listened, model)
            words = _count(heard.on)
            kept &= words == 0
            cells.append(f"{words} ({_count(heard.off)})")
            _tell(f"{name}, {model}: {cells[-1]}")
        rows.append(f"| {name} | {len(sound) / RATE:.0f} | {listened.speech_ratio:.3f} | {' | '.join(cells)} |")
    head = f"| sound | seconds | speech_ratio | {' | '.join(MODELS)} |\n| --- | --- | --- | {'--- | ' * len(MODELS)}"
    title = "**Nobody speaks**: words with the guard (without it); none is asked for."
    return "\n".join([title, "", head, *rows]), kept


def without_vad(ear: Ear, seconds: float) -> str:
    """The same without VAD, on every fifth sound: the guard alone. Recognisers take their time with noise."""
    rows = []
    for name, sound in islice(_wordless(seconds), 0, None, 5):
        listened = ear.listen(sound)
        heard = {model: ear.hear(listened, model, vad=False) for model in MODELS}
        cells = " | ".join(f"{_count(each.on)} ({_count(each.off)})" for each in heard.values())
        _tell(f"{name} without VAD: {cells}")
        rows.append(f"| {name} | {len(sound) / RATE:.0f} | {cells} |")
    head = f"| sound | seconds | {' | '.join(MODELS)} |\n| --- | --- | {'--- | ' * len(MODELS)}"
    return "\n".join([f"**Without VAD**: words with the guard (without it), {seconds:.0f} s each.", "", head, *rows])


def _wordless(seconds: float) -> Iterator[tuple[str, Sound]]:
    yield from ((name, make(seconds)) for name, make in SOUNDS.items())
    yield from ((f"music: {name}", sound) for name, sound in real_music(seconds))


def pauses(ear: Ear, count: int) -> tuple[str, bool]:
    """English clips with long pauses between them: the text of each is as without pauses, at its time."""
    clips = clips_of(["en"])[:count]
    rows, kept = [], True
    for name, pause in (("silence", silence), ("quiet pink noise", lambda s: pink(s) * 0.06), ("white noise", white)):
        sound, places = _with_pauses(clips, pause(PAUSE_SECONDS))
        alone, _ = _with_pauses(clips, silence(0.0))
        for model in MODELS:
            plain, heard = (ear.hear(ear.listen(each), model).on for each in (alone, sound))
            errors = _placed(heard, places)
            changed = jiwer.process_words(_words(plain), _words(heard))
            edits = changed.substitutions + changed.deletions + changed.insertions
            good = edits <= 1 and max(errors) <= NEAR
            kept &= good
            rows.append(
                f"| {name} | {model} | {_wer(clips, plain):.1f} | {_wer(clips, heard):.1f} | {edits} | "
                f"{max(errors):.2f} | {'holds' if good else '**missed**'} |"
            )
            _tell(rows[-1])
    head = "| pause | model | WER % without pauses | with | words that differ | outside its clip, s | |"
    title = f"**{len(clips)} clips, {PAUSE_SECONDS:.0f} s between each two**: at most 1 word differs, and 0.5 s."
    return "\n".join([title, "", head, "| --- | --- | --- | --- | --- | --- | --- |", *rows]), kept


def nothing_lost(ear: Ear, languages: Sequence[str] | None) -> tuple[str, bool]:
    """Error rates with the guard and without it, and what all the steps around recognition cost."""
    clips = clips_of(languages)
    rows, kept, costs = [], True, []
    for name, disturbed in (("as they are", lambda sound: sound), ("in white noise at 5 dB", _in_noise)):
        ear.costs = Costs()
        costs.append(ear.costs)
        pairs = []
        for clip in clips:
            heard = ear.hear(ear.listen(disturbed(clip.sound)), "base", clip.language)
            punctuated(ear.costs, ear.runtime, heard.on, clip.language)
            written(ear.costs, heard.on, len(clip.sound) / RATE)
            pairs.append((clip, _words(heard.on), _words(heard.off)))
        upper, worst = _upper(pairs), max(_by_language(pairs).values())
        good = upper <= 1.0 and worst <= 2.0
        kept &= good
        off, on = (_rate([(clip, texts[place]) for clip, *texts in pairs]) for place in (1, 0))
        rows.append(
            f"| {name} | {len(pairs)} | {off:.2f} | {on:.2f} | {upper:+.2f} | {worst:+.2f} | "
            f"{'holds' if good else '**missed**'} |"
        )
        _tell(rows[-1])
    head = (
        "| clips, base | number | WER % guard off | on | upper bound of the difference (95 %) | worst language | |\n"
        "| --- | --- | --- | --- | --- | --- | --- |"
    )
    title = "**Nothing that was said is lost**: upper bound at most +1.0 point, no language worse by more than 2."
    share, cheap = shares(costs[0])
    return "\n".join([title, "", head, *rows, "", share]), kept and cheap


def clips_of(languages: Sequence[str] | None) -> list[Clip]:
    """The bundled clips, all or of some languages."""
    from faster_whisper.audio import decode_audio

    rows = [json.loads(line) for line in (CLIPS / "manifest.jsonl").read_text("utf-8").splitlines() if line.strip()]
    return [
        Clip(row["lang"], row["text"], np.asarray(decode_audio(str(CLIPS / row["path"])), dtype=np.float32))
        for row in rows
        if languages is None or row["lang"] in languages
    ]


def _with_pauses(clips: Sequence[Clip], pause: Sound) -> tuple[Sound, list[tuple[float, float]]]:
    parts: list[Sound] = [pause]
    places = []
    for clip in clips:
        start = sum(map(len, parts)) / RATE
        places.append((start, start + len(clip.sound) / RATE))
        parts += [clip.sound, pause]
    return np.concatenate(parts), places


def _placed(segments: Sequence[Segment], places: Sequence[tuple[float, float]]) -> list[float]:
    """How far each word lies outside the clip that is nearest to it, in seconds."""
    words = [word for segment in segments for word in segment.words]
    return [min(max(start - word.start, word.end - end, 0.0) for start, end in places) for word in words] or [0.0]


def _in_noise(sound: Sound) -> Sound:
    noise = white(len(sound) / RATE)
    powers = [float(np.mean(np.square(each))) for each in (sound, noise)]
    return np.asarray(0.5 * (sound + noise * np.float32((powers[0] / powers[1] / 10**0.5) ** 0.5)), dtype=np.float32)


Pair = tuple[Clip, str, str]


def _rate(pairs: Sequence[tuple[Clip, str]]) -> float:
    return 100 * float(jiwer.wer([bare(clip.text) for clip, _ in pairs], [text for _, text in pairs]))


def _wer(clips: Sequence[Clip], segments: Sequence[Segment]) -> float:
    return 100 * float(jiwer.wer(bare(" ".join(clip.text for clip in clips)), _words(segments)))


def _by_language(pairs: Sequence[Pair]) -> dict[str, float]:
    """Points by which the guard makes each language worse."""
    found = {}
    for language in dict.fromkeys(clip.language for clip, *_ in pairs):
        mine = [pair for pair in pairs if pair[0].language == language]
        found[language] = _rate([(clip, on) for clip, on, _ in mine]) - _rate([(clip, off) for clip, _, off in mine])
    return found


def _upper(pairs: Sequence[Pair]) -> float:
    """The upper end of the paired bootstrap interval of the difference in error rate, in points."""
    errors = np.array([_errors(clip, on) - _errors(clip, off) for clip, on, off in pairs], dtype=np.float64)
    lengths = np.array([len(bare(clip.text).split()) for clip, *_ in pairs], dtype=np.float64)
    drawn = np.random.default_rng(0).integers(0, len(pairs), size=(TRIES, len(pairs)))
    return float(np.percentile(100 * errors[drawn].sum(axis=1) / lengths[drawn].sum(axis=1), 97.5))


def _errors(clip: Clip, text: str) -> int:
    found = jiwer.process_words(bare(clip.text), text)
    return int(found.substitutions + found.deletions + found.insertions)


def _count(segments: Sequence[Segment]) -> int:
    return len(_words(segments).split())


def _words(segments: Sequence[Segment]) -> str:
    return bare(" ".join(segment.text for segment in segments))


def _tell(line: str) -> None:
    print(line, flush=True)
