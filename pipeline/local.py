"""One file, transcribed in this process: no server, no database, no orchestrator."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from audio.limits import Limits
from pipeline.align import Aligning
from pipeline.aligned import Aligned
from pipeline.assemble import assemble, laid_out
from pipeline.attribute import attribute
from pipeline.diarize import diarize
from pipeline.observer import Observer, Unobserved
from pipeline.prepare import prepare
from pipeline.punctuate import punctuate_segments
from pipeline.recognise import Recognising
from pipeline.recording import Recording
from pipeline.runtime import Runtime
from pipeline.steps import NoSteps
from pipeline.stopwatch import Stopwatch
from providers.registry import Registry
from speech.diarization import Diarization
from speech.errors import UnsupportedOption
from speech.options import TranscribeRequest
from speech.transcript import Segment, Transcript


def transcribe_file(
    runtime: Runtime, path: Path, request: TranscribeRequest, observer: Observer | None = None
) -> Transcript:
    """Transcribe a local file as the request asks.

    Raises:
        UnsupportedOption, ModelNotFound: when the provider cannot do what is asked.
        InvalidAudio: when the file holds no audio.
        ProviderError: as the provider does.

    """
    if request.diarization.identify:
        raise UnsupportedOption(
            "diarization.identify: only a server knows voices; leave it out.", "diarization.identify"
        )
    watching = observer or Unobserved()
    options = runtime.registry.check(request)
    recogniser = runtime.registry.get(request.provider)
    clock, steps = Stopwatch(), NoSteps()
    with runtime.spools.work() as folder:
        recording = Recording(
            "local",
            None,
            path.name,
            _sha256(path),
            folder,
            Limits.for_decoding(runtime.settings),
            lambda _: path,
            request.channels,
        )
        with clock.stage("prepare"):
            prepared = prepare(
                recording, request.vad, runtime.settings.piece_seconds, runtime.voice_activity, steps, watching
            )
        with clock.stage("transcribe"):
            work = Recognising(recording, prepared, recogniser, steps, watching, request.guard.enabled)
            recognised = work.all(options)
        language = recognised.language or options.language
        spoken = runtime.registry.spoken(request, options)
        refining = _Refining(runtime.registry, request, recording, spoken, language, steps, watching, clock)
        aligned = refining.aligned(laid_out(prepared, recognised))
        told = refining.told()
        segments = attribute(aligned.segments, told) if told is not None else aligned.segments
        segments = refining.punctuated(segments)
        return assemble(
            recording, prepared, recognised, segments, told, stages=clock.seconds, warnings=aligned.warnings
        )


@dataclass(frozen=True, slots=True)
class _Refining:
    """The steps that the request asks for beside recognition, one after another: nothing is kept here."""

    registry: Registry
    request: TranscribeRequest
    recording: Recording
    spoken: tuple[str, ...]
    language: str | None
    steps: NoSteps
    observer: Observer
    clock: Stopwatch

    def aligned(self, segments: tuple[Segment, ...]) -> Aligned:
        aligner = self.registry.aligner(self.request, self.spoken)
        if aligner is None:
            return Aligned(segments)
        aligning = Aligning(self.recording, aligner, self.steps, self.observer)
        with self.clock.stage("align"):
            if self.request.script is not None:
                return aligning.script(self.request.script, segments, self.language or self.spoken[0])
            return aligning.segments(segments, self.language)

    def told(self) -> Diarization | None:
        diarizer = self.registry.diarizer(self.request, self.spoken)
        if diarizer is None:
            return None
        with self.clock.stage("diarize"):
            return diarize(self.recording, self.request.diarization, diarizer, self.steps, self.observer)

    def punctuated(self, segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
        language = "en" if self.request.task == "translate" else self.language
        punctuator = self.registry.punctuator(self.request, self.spoken)
        if punctuator is None or not segments:
            return segments
        with self.clock.stage("punctuate"):
            return punctuate_segments(
                self.recording.owner_id, segments, punctuator, language, self.steps, self.observer
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
