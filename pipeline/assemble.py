"""From the recognised pieces to segments on the recording's own time line, and from these to one transcript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.attribute import speakers_of
from pipeline.channels import with_channel_speakers
from pipeline.identify import Identity, named
from pipeline.prepare import Prepared
from pipeline.recognise import Recognised, on_time_line
from pipeline.recording import Recording
from speech.diarization import Diarization
from speech.jobs import transcript_id_of
from speech.transcript import Segment, Transcript, Usage, ordered


def laid_out(prepared: Prepared, recognised: Recognised) -> tuple[Segment, ...]:
    """The segments of all pieces, put back on the recording's time line."""
    segments = [
        segment
        for piece, recognition in zip(prepared.pieces, recognised.pieces, strict=True)
        for segment in on_time_line(piece, recognition)
    ]
    return ordered(segments, round(prepared.duration, 3))


def assemble(
    recording: Recording,
    prepared: Prepared,
    recognised: Recognised,
    segments: Sequence[Segment],
    diarization: Diarization | None = None,
    *,
    identities: Mapping[str, Identity] | None = None,
    job_id: str | None = None,
    stages: Mapping[str, float] | None = None,
    warnings: tuple[str, ...] = (),
) -> Transcript:
    """Make one transcript of the segments, with the speakers where they were told apart; ``warnings`` are those of
    the steps behind recognition."""
    told = diarization or Diarization()
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
        speakers=named(speakers_of(told, segments), identities or {}),
        turns=told.turns,
        quality=prepared.quality,
        usage=Usage(audio_seconds=round(prepared.duration, 3)),
        stages=dict(stages or {}),
        warnings=(*prepared.warnings, *recognised.warnings, *warnings),
    )
    return with_channel_speakers(transcript, prepared.channels)
