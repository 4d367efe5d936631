"""``/files``: what was uploaded or fetched."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from api.answers import refusals, shown
from api.deps import App, Caller
from api.ids import FileId
from api.schemas import StoredFileView
from api.views import stored_file_view

router = APIRouter(tags=["files"])


@router.get(
    "/files/{file_id}",
    operation_id="get_file",
    summary="What is known of a recording",
    response_model=StoredFileView,
    responses=refusals(404, 422),
)
async def get_file(file_id: FileId, parts: App, caller: Caller) -> Response:
    """Name, size, duration and digest; not the audio itself."""
    return shown(stored_file_view(await parts.store.files.get(caller.owner_id, file_id)))


@router.delete(
    "/files/{file_id}",
    operation_id="delete_file",
    summary="Delete a recording",
    status_code=204,
    responses=refusals(404, 409, 422),
)
async def delete_file(file_id: FileId, parts: App, caller: Caller) -> Response:
    """The audio and the caches made from it are gone; transcripts stay. 409 `file_in_use` while a job needs it."""
    await parts.store.files.delete(caller.owner_id, file_id)
    await parts.store.collect()
    return Response(status_code=204)
