"""Ids in addresses: opaque words; what cannot be one is refused before anything is looked up."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

_PATTERN = r"^[A-Za-z0-9_.\-]+$"
_EXAMPLES = ["0193a1b2c3d47e6f8091a2b3c4d5e6f7"]

JobId = Annotated[str, Path(max_length=128, pattern=_PATTERN, description="A job's id.", examples=_EXAMPLES)]
BatchId = Annotated[str, Path(max_length=128, pattern=_PATTERN, description="A batch's id.", examples=_EXAMPLES)]
FileId = Annotated[str, Path(max_length=128, pattern=_PATTERN, description="A file's id.", examples=_EXAMPLES)]
DeliveryId = Annotated[str, Path(max_length=128, pattern=_PATTERN, description="A delivery's id.", examples=_EXAMPLES)]
SecretId = Annotated[str, Path(max_length=128, pattern=_PATTERN, description="A secret's id.", examples=_EXAMPLES)]
TranscriptId = Annotated[
    str, Path(max_length=128, pattern=_PATTERN, description="A transcript's id.", examples=_EXAMPLES)
]
IngestId = Annotated[str, Path(max_length=128, pattern=_PATTERN, description="An ingest's id.", examples=_EXAMPLES)]
SpeakerId = Annotated[str, Path(max_length=128, pattern=_PATTERN, description="A speaker's id.", examples=_EXAMPLES)]
TakeId = Annotated[str, Path(max_length=128, pattern=_PATTERN, description="A take's id.", examples=_EXAMPLES)]
ObjectId = Annotated[str | None, Query(max_length=128, pattern=_PATTERN, description="Only this object.")]
FormatName = Annotated[
    str, Path(max_length=64, pattern=_PATTERN, description="json, vtt, srt, txt, tsv, rttm.", examples=["vtt"])
]
