"""From pieces to words: one provider, piece by piece, each finished piece kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from pydantic import TypeAdapter

from audio.activity import ActivityTrack
from audio.pieces import Piece
from audio.spans import TimeMap
from pipeline.guard import VERSION as GUARD_VERSION
from pipeline.guard import Guarded, guard, nothing_there, warning
from pipeline.observer import Observer, go_on
from pipeline.prepare import Prepared
from pipeline.recording import Recording
from pipeline.steps import StepKey, StepStore, run_step, step_key
from providers.base import Recogniser, RecognitionOptions, Watch
from speech.jobs import Stage
from speech.transcript import Recognition, Segment, ordered

VERSION = 2
"""Raised when the same piece and options would be recognised otherwise by this file."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """The recognition of each piece in order; positions are still those of the piece."""

    pieces: tuple[Recognition, ...]
    provider: str
    model: str
    model_digest: str
    warnings: tuple[str, ...] = ()

    @property
    def language(self) -> str | None:
        """The language of the first piece that has one: those after it were recognised in it."""
        return self._first.language if self._first else None

    @property
    def language_probability(self) -> float | None:
        """How sure the detection was; None when the language was given."""
        return self._first.language_probability if self._first else None

    @property
    def _first(self) -> Recognition | None:
        return next((piece for piece in self.pieces if piece.language), None)


_SHAPE = TypeAdapter(Guarded)
_ASKED = ("language", "task", "word_timestamps", "initial_prompt", "hotwords")


@dataclass(frozen=True)
class Recognising:
    """A recording that a provider is at, piece by piece; ``steps`` has the pieces that were finished before, and
    ``guarding`` says whether what nobody said is left out."""

    recording: Recording
    prepared: Prepared
    recogniser: Recogniser
    steps: StepStore
    observer: Observer
    guarding: bool = True

    def all(self, options: RecognitionOptions) -> Recognised:
        """Recognise everything.

        Raises:
            ProviderError: as the provider does.
            JobCancelled: between two segments, when the observer says so.

        """
        done = [guarded for guarded, _ in self.pieces(self.prepared.pieces, options, self.prepared.speech_seconds)]
        return Recognised(
            tuple(guarded.recognition for guarded in done),
            self.recogniser.name,
            options.model,
            self.recogniser.digest(options.model),
            self._warnings(done),
        )

    def pieces(
        self, pieces: Sequence[Piece], options: RecognitionOptions, total: float
    ) -> Iterator[tuple[Guarded, RecognitionOptions]]:
        """Recognise these pieces of a work of ``total`` seconds; each with the options for the next of its channel."""
        digest = self.recogniser.digest(options.model)
        of_channel: dict[int | None, RecognitionOptions] = {}
        before = 0.0
        for piece in pieces:
            go_on(self.observer)
            asked = of_channel.get(piece.channel, options)
            guarded = self._piece(piece, asked, digest, _watch(self.observer, before, total))
            of_channel[piece.channel] = in_language(asked, guarded.recognition)
            before += piece.speech_seconds
            self.observer.progress(Stage.TRANSCRIBING, before / total)
            yield guarded, of_channel[piece.channel]

    def _piece(self, piece: Piece, options: RecognitionOptions, digest: str, watch: Watch) -> Guarded:
        track = self._tracks.get(piece.channel) if self.guarding else None

        def work() -> Guarded:
            if nothing_there(piece, track):
                return Guarded(Recognition((), options.language))
            samples = self.recording.spool(self.observer, piece.channel).gather(piece.spans)
            heard = self.recogniser.recognise(samples, options, watch)
            if not self.guarding:
                return Guarded(heard)
            return guard(heard, piece, track, options.language)

        key = _key(self.recording, piece, self.recogniser, options, digest, self.guarding)
        guarded = run_step(self.steps, key, _SHAPE, work)
        segments = on_time_line(piece, guarded.recognition)
        self.observer.piece_done(piece.index, ordered(segments, round(self.prepared.duration, 3)))
        return guarded

    @cached_property
    def _tracks(self) -> dict[int | None, ActivityTrack]:
        """The speech that was found, by channel."""
        channels = self.prepared.channels or (None,)
        return {channel: activity.track() for channel, activity in zip(channels, self.prepared.activity, strict=False)}

    def _warnings(self, done: Sequence[Guarded]) -> tuple[str, ...]:
        segments = (segment for guarded in done for segment in guarded.recognition.segments)
        kept = sum(segment.end - segment.start for segment in segments)
        rejected = sum(guarded.rejected for guarded in done)
        return warning(kept, rejected, sum(track.voiced_seconds for track in self._tracks.values()))


def in_language(options: RecognitionOptions, recognition: Recognition) -> RecognitionOptions:
    """The options for the next piece: a language once detected stays."""
    if options.language is not None or recognition.language is None:
        return options
    return replace(options, language=recognition.language)


def on_time_line(piece: Piece, recognition: Recognition) -> list[Segment]:
    """The segments of a piece on the recording's own time line, each with its language and its channel."""
    language, times = recognition.language, TimeMap(piece.spans)
    return [
        times.segment(replace(segment, language=segment.language or language, channel=piece.channel))
        for segment in recognition.segments
    ]


def _watch(observer: Observer, before: float, total: float) -> Watch:
    def heard(position: float, segment: Segment) -> None:
        observer.progress(Stage.TRANSCRIBING, min(1.0, (before + position) / total))

    return Watch(cancelled=observer.cancelled, heard=heard)


def _key(
    recording: Recording,
    piece: Piece,
    recogniser: Recogniser,
    options: RecognitionOptions,
    digest: str,
    guarding: bool,
) -> StepKey:
    # The model's name is left out: its weights are the identity.
    asked = {name: getattr(options, name) for name in _ASKED}
    return step_key(
        recording.owner_id,
        "recognise",
        VERSION,
        audio=recording.sha256,
        channel=piece.channel,
        spans=[[span.start, span.end] for span in piece.spans],
        adapter=[recogniser.name, recogniser.version, recogniser.engine_version()],
        weights=digest,
        options={**asked, "parameters": options.parameters.model_dump(mode="json")},
        guard=GUARD_VERSION if guarding else None,
    )
