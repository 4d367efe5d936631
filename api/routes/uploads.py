"""``POST /upload``: recordings in, ids out."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.answers import Answer, refusals
from api.deps import App, Caller
from api.idempotency import IdempotencyKey, checked_key, once
from api.schemas import UploadView
from api.upload import Upload
from api.views import file_view
from speech.clock import now

router = APIRouter(tags=["files"])

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "additionalProperties": False,
                    "properties": {
                        "files": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "string", "format": "binary"},
                            "description": "Recordings: any container and codec that FFmpeg decodes, video too. "
                            "Neither the MIME type nor the ending of the name matters.",
                        }
                    },
                }
            }
        },
    }
}


@router.post(
    "/upload",
    operation_id="upload",
    summary="Send recordings",
    status_code=201,
    response_model=UploadView,
    responses=refusals(408, 409, 413, 415, 422, 507),
    openapi_extra=_BODY,
)
async def upload(request: Request, parts: App, caller: Caller, idempotency_key: IdempotencyKey = None) -> Response:
    """Stream recordings into the storage, and look whether sound comes out of each.

    All files are kept, or none: when one holds no audio, the answer is 422 and `errors` names it.
    """
    key = checked_key(idempotency_key)
    async with Upload(parts, caller, request) as arriving:
        await arriving.receive()

        async def keep(_: str) -> Answer:
            files = await arriving.keep()
            view = UploadView(
                file_ids=[file.file_id for file in files],
                uploaded_at=now(),
                files=[file_view(file) for file in files],
            )
            return Answer.of(view, 201)

        answer = await once(parts.store, caller.owner_id, "upload", key, arriving.digest(), keep)
    return answer.response()
