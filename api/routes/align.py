"""Alignment: a recording and what is said in it, word for word; out come the times of these words."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.acceptance import accept_request
from api.answers import Answer, refusals
from api.bodies import JSON_BYTES, read_json
from api.deps import App, Caller
from api.idempotency import IdempotencyKey, checked_key, digest_of, once
from api.job_schemas import AcceptedView
from api.refusals import FieldError, InvalidRequest

router = APIRouter(tags=["jobs"])

LONGEST_TEXT = 500_000
"""Characters; as those of ``script``."""
ALIGN_BYTES = JSON_BYTES + 12 * LONGEST_TEXT
"""Largest body: a character may be written as two ``\\uXXXX``."""

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/AlignRequest"},
                "examples": {
                    "subtitles of a script": {
                        "value": {
                            "file_ids": ["0193a1b2c3d47e6f8091a2b3c4d5e6f7"],
                            "text": "And so, my fellow Americans, ask not what your country can do for you.",
                            "language": "en",
                            "output_formats": ["json", "srt"],
                        }
                    }
                },
            }
        },
    }
}


@router.post(
    "/align",
    operation_id="align",
    summary="Ask when each word of a known text is spoken",
    status_code=202,
    response_model=AcceptedView,
    responses={
        202: {"headers": {"Location": {"description": "The job.", "schema": {"type": "string"}}}},
        **refusals(404, 408, 409, 413, 415, 422),
    },
    openapi_extra=_BODY,
)
async def align(request: Request, parts: App, caller: Caller, idempotency_key: IdempotencyKey = None) -> Response:
    """A job like those of `/transcribe`, whose result holds the words of `text` instead of those that are recognised.

    The body is that of `/transcribe` with one recording, and `text`. Recognition finds where in the recording which
    part of the text is spoken; the aligner of `alignment.provider` then times its words. A text that is not what is
    spoken fails the job with `text_mismatch`.
    """
    key = checked_key(idempotency_key)
    body = await read_json(request, ALIGN_BYTES)

    async def accept(job_id: str) -> Answer:
        try:
            return await accept_request(as_transcription(body), parts, caller.owner_id, job_id)
        except InvalidRequest as refusal:
            raise as_asked(refusal, body) from None

    answer = await once(parts.store, caller.owner_id, "align", key, digest_of(body) if key else "", accept)
    return answer.response({"Location": json.loads(answer.body)["links"]["self"]})


def as_transcription(body: Any) -> Any:
    """The body of `/transcribe` that asks for the same.

    Raises:
        InvalidRequest: when there is no text, or two.

    """
    if not isinstance(body, dict):
        return body  # refused as what it is
    if not isinstance(body.get("text"), str):
        message = "Give text: what is spoken, word for word."
        raise InvalidRequest(message, [FieldError("text", message, "missing")])
    if "script" in body:
        message = "It is called text here."
        raise InvalidRequest(message, [FieldError("script", message, "extra_forbidden")])
    asked = body.get("alignment", {})
    alignment = {"enabled": True} | asked if isinstance(asked, dict) else asked
    rest = {name: value for name, value in body.items() if name != "text"}
    return rest | {"script": body["text"], "alignment": alignment}


def as_asked(refusal: InvalidRequest, body: Any) -> InvalidRequest:
    """A refusal in the words of this route: what is ``script`` to a transcription is ``text`` here."""
    if isinstance(body, dict) and "script" in body:
        return refusal  # it is meant as it was sent
    errors = [replace(each, field=_as_text(each.field), message=_as_text(each.message)) for each in refusal.errors]
    return InvalidRequest(_as_text(refusal.message), errors, refusal.retry_after)


def _as_text(words: str) -> str:
    return re.sub(r"\bscript\b", "text", words)
