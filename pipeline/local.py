"""One file, transcribed in this process: no server, no database, no orchestrator."""

from __future__ import annotations

import hashlib
from pathlib import Path

from audio.limits import Limits
from pipeline.assemble import assemble, laid_out
from pipeline.attribute import attribute
from pipeline.diarize import diarize
from pipeline.observer import Observer, Unobserved
from pipeline.prepare import prepare
from pipeline.recognise import Recognising
from pipeline.recording import Recording
from pipeline.runtime import Runtime
from pipeline.steps import NoSteps
from pipeline.stopwatch import Stopwatch
from speech.options import TranscribeRequest
from speech.transcript import Transcript


def transcribe_file(
    runtime: Runtime, path: Path, request: TranscribeRequest, observer: Observer | None = None
) -> Transcript:
    """Transcribe a local file as the request asks.

    Raises:
        UnsupportedOption, ModelNotFound: when the provider cannot do what is asked.
        InvalidAudio: when the file holds no audio.
        ProviderError: as the provider does.

    """
    watching = observer or Unobserved()
    options = runtime.registry.check(request)
    recogniser = runtime.registry.get(request.provider)
    clock, steps = Stopwatch(), NoSteps()
    with runtime.spools.work() as folder:
        recording = Recording(
            "local", None, path.name, _sha256(path), folder, Limits.for_decoding(runtime.settings), lambda _: path
        )
        with clock.stage("prepare"):
            prepared = prepare(
                recording, request.vad, runtime.settings.piece_seconds, runtime.voice_activity, steps, watching
            )
        with clock.stage("transcribe"):
            recognised = Recognising(recording, prepared, recogniser, steps, watching).all(options)
        segments, told = laid_out(prepared, recognised), None
        spoken = (recognised.language,) if recognised.language else recogniser.languages(options.model)
        diarizer = runtime.registry.diarizer(request, spoken)
        if diarizer is not None:
            with clock.stage("diarize"):
                told = diarize(recording, request.diarization, diarizer, steps, watching)
            segments = attribute(segments, told)
        return assemble(recording, prepared, recognised, segments, told, stages=clock.seconds)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
