"""From a transcript to files, and to where they are kept."""

from __future__ import annotations

import json
from dataclasses import replace

from speech.clock import now
from speech.codec import to_json
from speech.formats import render, resolve
from speech.options import SubtitleOptions, TranscribeRequest
from speech.transcript import Transcript
from storage.blobs import Blobs
from storage.transcripts import TranscriptRow, transcript_folder


def render_early(transcript: Transcript, request: TranscribeRequest) -> dict[str, bytes]:
    """The asked-for formats by name, as bytes; others are rendered when somebody asks for them.

    ``json`` is not among them: the stored transcript is that file.
    """
    names = [name for name in resolve(request.output_formats) if name != "json"]
    return {name: rendered(transcript, name, request.subtitles) for name in names}


def rendered(transcript: Transcript, name: str, options: SubtitleOptions) -> bytes:
    """One format as UTF-8."""
    return render(transcript, name, options).encode("utf-8")


def keep_transcript(
    blobs: Blobs, owner_id: str, token: str, transcript: Transcript, files: dict[str, bytes]
) -> TranscriptRow:
    """Write the transcript and its rendered files, and describe them.

    They lie in a folder of this attempt (``token``): what a superseded attempt still writes disturbs nobody.
    Nothing refers to them until the row is committed.
    """
    folder = f"{transcript_folder(owner_id, transcript.transcript_id)}{token}"
    for name, content in files.items():
        blobs.write(f"{folder}/rendered/{name}", content)
    blob_key = f"{folder}/transcript.json"
    blobs.write(blob_key, encode(transcript))
    return TranscriptRow(
        transcript_id=transcript.transcript_id,
        owner_id=owner_id,
        job_id=transcript.job_id,
        file_id=transcript.file_id,
        filename=transcript.filename,
        duration=transcript.duration,
        language=transcript.language,
        language_probability=transcript.language_probability,
        segments_count=len(transcript.segments),
        words_count=len(transcript.words),
        speakers_count=len(transcript.speakers),
        blob_key=blob_key,
        created_at=now(),
    )


def with_stages(transcript: Transcript, stages: dict[str, float]) -> Transcript:
    """The transcript, saying how many seconds of work each stage took."""
    return replace(transcript, stages={name: round(seconds, 3) for name, seconds in stages.items()})


def encode(transcript: Transcript) -> bytes:
    """The stored form: the contract's JSON result."""
    return json.dumps(to_json(transcript), ensure_ascii=False, allow_nan=False).encode("utf-8")
