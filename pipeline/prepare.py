"""From bytes to pieces: decode once, find the speech, cut it where nobody speaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pydantic import TypeAdapter

from audio.activity import Activity
from audio.pieces import Piece, cut
from audio.quality import measure
from audio.spans import Span
from audio.spool import Spool
from audio.vad import VoiceActivity, speech_spans
from pipeline.channels import Heard, distinct, interleaved, quality_of
from pipeline.observer import Observer
from pipeline.recording import Recording
from pipeline.steps import StepStore, run_step, step_key
from speech.jobs import Stage
from speech.options import VadOptions
from speech.transcript import Quality

VERSION = 2
"""Raised when the same bytes and options would be cut otherwise."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is known of a recording before anybody recognises it; ``duration`` in seconds.

    ``pieces`` are what is recognised, one after the other: stretches of speech, or of everything without VAD.
    ``channels`` are those that are recognised each by itself, none when all are mixed; ``activity`` is the speech that
    was found in each of them, or in the mix. ``warnings`` are sentences for whoever reads the result.
    """

    duration: float
    pieces: tuple[Piece, ...]
    quality: Quality
    channels: tuple[int, ...] = ()
    activity: tuple[Activity, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def speech_seconds(self) -> float:
        """Seconds of audio that will be recognised."""
        return sum(piece.speech_seconds for piece in self.pieces)


_SHAPE = TypeAdapter(Prepared)


def prepare(
    recording: Recording,
    options: VadOptions,
    piece_seconds: float,
    voice_activity: VoiceActivity,
    steps: StepStore,
    observer: Observer,
) -> Prepared:
    """Decode, measure and cut a recording, or find that done before.

    Raises:
        InvalidAudio: when there is nothing to decode.

    """
    key = step_key(
        recording.owner_id,
        "prepare",
        VERSION,
        audio=recording.sha256,
        channels=recording.channels,
        vad=options.model_dump(mode="json"),
        piece_seconds=piece_seconds,
    )
    return run_step(steps, key, _SHAPE, lambda: _prepare(recording, options, piece_seconds, voice_activity, observer))


def _prepare(
    recording: Recording, options: VadOptions, piece_seconds: float, voice_activity: VoiceActivity, observer: Observer
) -> Prepared:
    spools, warnings = distinct(recording.spools(observer))
    observer.progress(Stage.PREPARING, 0.5)
    duration = next(iter(spools.values())).duration
    heard = [
        _hear(channel, spool, options, piece_seconds, voice_activity, observer) for channel, spool in spools.items()
    ]
    return Prepared(
        duration,
        interleaved(heard),
        quality_of(heard, duration),
        tuple(channel for channel in spools if channel is not None),
        tuple(one.activity for one in heard),
        warnings,
    )


def _hear(
    channel: int | None,
    spool: Spool,
    options: VadOptions,
    piece_seconds: float,
    voice_activity: VoiceActivity,
    observer: Observer,
) -> Heard:
    probabilities = voice_activity.probabilities(spool, cancelled=observer.cancelled)
    speech = speech_spans(probabilities, options, spool.duration)
    pieces = cut(speech, piece_seconds)
    if not options.enabled:
        pieces = everything(pieces, spool.duration)
    return Heard(channel, speech, pieces, measure(spool, speech), Activity.of(probabilities))


def everything(pieces: Sequence[Piece], duration: float) -> tuple[Piece, ...]:
    """Pieces that leave nothing out, parted in the middle of the silences between the given ones.

    Without VAD all of the audio is recognised, and still the pieces should not part a word.
    """
    if duration <= 0:
        return ()
    borders = [(before.end + after.start) / 2 for before, after in pairwise(pieces)]
    starts, ends = [0.0, *borders], [*borders, duration]
    return tuple(Piece(index, (Span(start, end),)) for index, (start, end) in enumerate(zip(starts, ends, strict=True)))
