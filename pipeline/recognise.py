"""From pieces to words: one provider, piece by piece, each finished piece kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pydantic import TypeAdapter

from audio.pieces import Piece
from audio.spans import TimeMap
from pipeline.observer import Observer, go_on
from pipeline.prepare import Prepared
from pipeline.recording import Recording
from pipeline.steps import StepKey, StepStore, run_step, step_key
from providers.base import Recogniser, RecognitionOptions, Watch
from speech.jobs import Stage
from speech.transcript import Recognition, Segment, ordered

VERSION = 1
"""Raised when the same piece and options would be recognised otherwise by this file."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """The recognition of each piece in order; positions are still those of the piece."""

    pieces: tuple[Recognition, ...]
    provider: str
    model: str
    model_digest: str

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


_SHAPE = TypeAdapter(Recognition)
_ASKED = ("language", "task", "word_timestamps", "initial_prompt", "hotwords")


@dataclass(frozen=True, slots=True)
class Recognising:
    """A recording that a provider is at, piece by piece; ``steps`` has the pieces that were finished before."""

    recording: Recording
    prepared: Prepared
    recogniser: Recogniser
    steps: StepStore
    observer: Observer

    def all(self, options: RecognitionOptions) -> Recognised:
        """Recognise everything.

        Raises:
            ProviderError: as the provider does.
            JobCancelled: between two segments, when the observer says so.

        """
        done: list[Recognition] = []
        for recognition, _ in self.pieces(self.prepared.pieces, options, self.prepared.speech_seconds):
            done.append(recognition)
        return Recognised(tuple(done), self.recogniser.name, options.model, self.recogniser.digest(options.model))

    def pieces(
        self, pieces: Sequence[Piece], options: RecognitionOptions, total: float
    ) -> Iterator[tuple[Recognition, RecognitionOptions]]:
        """Recognise these pieces of a work of ``total`` seconds; each with the options for the piece after it."""
        digest = self.recogniser.digest(options.model)
        before = 0.0
        for piece in pieces:
            go_on(self.observer)
            recognition = self._piece(piece, options, digest, _watch(self.observer, before, total))
            options = in_language(options, recognition)
            before += piece.speech_seconds
            self.observer.progress(Stage.TRANSCRIBING, before / total)
            yield recognition, options

    def _piece(self, piece: Piece, options: RecognitionOptions, digest: str, watch: Watch) -> Recognition:
        def work() -> Recognition:
            samples = self.recording.spool(self.observer).gather(piece.spans)
            return self.recogniser.recognise(samples, options, watch)

        key = _key(self.recording, piece, self.recogniser, options, digest)
        recognition = run_step(self.steps, key, _SHAPE, work)
        segments = on_time_line(piece, recognition)
        self.observer.piece_done(piece.index, ordered(segments, round(self.prepared.duration, 3)))
        return recognition


def in_language(options: RecognitionOptions, recognition: Recognition) -> RecognitionOptions:
    """The options for the next piece: a language once detected stays."""
    if options.language is not None or recognition.language is None:
        return options
    return replace(options, language=recognition.language)


def on_time_line(piece: Piece, recognition: Recognition) -> list[Segment]:
    """The segments of a piece on the recording's own time line, each with its language."""
    language, times = recognition.language, TimeMap(piece.spans)
    return [
        times.segment(segment if segment.language else replace(segment, language=language))
        for segment in recognition.segments
    ]


def _watch(observer: Observer, before: float, total: float) -> Watch:
    def heard(position: float, segment: Segment) -> None:
        observer.progress(Stage.TRANSCRIBING, min(1.0, (before + position) / total))

    return Watch(cancelled=observer.cancelled, heard=heard)


def _key(
    recording: Recording, piece: Piece, recogniser: Recogniser, options: RecognitionOptions, digest: str
) -> StepKey:
    # The model's name is left out: its weights are the identity.
    asked = {name: getattr(options, name) for name in _ASKED}
    return step_key(
        recording.owner_id,
        "recognise",
        VERSION,
        audio=recording.sha256,
        spans=[[span.start, span.end] for span in piece.spans],
        adapter=[recogniser.name, recogniser.version, recogniser.engine_version()],
        weights=digest,
        options={**asked, "parameters": options.parameters.model_dump(mode="json")},
    )
