"""From the recognised pieces to one transcript on the recording's own time line."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.channels import with_channel_speakers
from pipeline.prepare import Prepared
from pipeline.recognise import Recognised, on_time_line
from pipeline.recording import Recording
from speech.jobs import transcript_id_of
from speech.transcript import Transcript, Usage, ordered


def assemble(
    recording: Recording,
    prepared: Prepared,
    recognised: Recognised,
    *,
    job_id: str | None = None,
    stages: Mapping[str, float] | None = None,
) -> Transcript:
    """Put the pieces' segments back on the recording's time line and make one transcript of them."""
    segments = [
        segment
        for piece, recognition in zip(prepared.pieces, recognised.pieces, strict=True)
        for segment in on_time_line(piece, recognition)
    ]
    transcript = Transcript(
        transcript_id=transcript_id_of(job_id, recording.file_id or recording.sha256),
        job_id=job_id,
        file_id=recording.file_id,
        filename=recording.filename,
        duration=round(prepared.duration, 3),
        language=recognised.language,
        language_probability=recognised.language_probability,
        provider=recognised.provider,
        model=recognised.model,
        model_digest=recognised.model_digest,
        segments=ordered(segments, round(prepared.duration, 3)),
        quality=prepared.quality,
        usage=Usage(audio_seconds=round(prepared.duration, 3)),
        stages=dict(stages or {}),
        warnings=(*prepared.warnings, *recognised.warnings),
    )
    return with_channel_speakers(transcript, prepared.channels)
