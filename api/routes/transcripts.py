"""``/transcripts``: the same words by their own id."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from api import downloads
from api.answers import refusals, shown
from api.deps import App, Caller
from api.file_answers import FILE
from api.ids import FormatName, TranscriptId
from api.outcomes import transcript_of
from api.schemas import TranscriptDetail
from api.views import transcript_detail

router = APIRouter(prefix="/transcripts", tags=["results"])


@router.get(
    "/{transcript_id}",
    operation_id="get_transcript",
    summary="What a transcript holds",
    response_model=TranscriptDetail,
    responses=refusals(404, 410, 422),
)
async def get_transcript(transcript_id: TranscriptId, parts: App, caller: Caller) -> Response:
    """Language, counts and formats; the words are in the files."""
    row, _ = await transcript_of(parts, caller.owner_id, transcript_id)
    return shown(transcript_detail(row))


@router.get(
    "/{transcript_id}/{format}",
    operation_id="get_transcript_file",
    summary="A transcript as a file",
    response_class=Response,
    responses={**FILE, **refusals(404, 410, 422)},
)
async def get_transcript_file(
    request: Request,
    transcript_id: TranscriptId,
    format: FormatName,  # noqa: A002 - the contract's name
    parts: App,
    caller: Caller,
) -> Response:
    """Any format, with an ETag and a name for the download."""
    found = downloads.format_named(format)
    row, subtitles = await transcript_of(parts, caller.owner_id, transcript_id)
    file = downloads.Download(row, found, subtitles)
    return await downloads.answer(request, parts.store.blobs, file)


@router.delete(
    "/{transcript_id}",
    operation_id="delete_transcript",
    summary="Delete a transcript",
    status_code=204,
    responses=refusals(404, 409, 422),
)
async def delete_transcript(transcript_id: TranscriptId, parts: App, caller: Caller) -> Response:
    """The transcript, its rendered files and its caches are gone. 409 while its job runs."""
    await parts.store.transcripts.delete(caller.owner_id, transcript_id)
    await parts.store.collect()
    return Response(status_code=204)
