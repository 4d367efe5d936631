"""The body of ``POST /batches``: defaults and items, each item checked as ``POST /transcribe`` checks its body."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from anyio.lowlevel import checkpoint
from pydantic import Field, ValidationError

from api.deps import Parts
from api.problems import MOST_ERRORS, invalid_request, status_of
from api.refusals import BatchRefused, FieldError, FilesMissing, InvalidRequest, Refused, inside
from api.submission import checked_request, files_missing
from speech.errors import SpeechError, UnsupportedOption
from speech.options import OptionsModel, TranscribeRequest, by_newer_names
from storage.errors import Missing

_INPUTS = ("file_ids", "urls", "script")
DEFAULTS_BYTES = 65_536
"""Largest ``defaults``, as JSON."""


class BatchBody(OptionsModel):
    """Many transcriptions that are accepted together, or not at all."""

    defaults: dict[str, Any] = Field(
        default_factory=dict,
        description="What every item asks for, as in `POST /transcribe`, but for its inputs.",
        examples=[{"language": "en", "output_formats": ["vtt"]}],
    )
    items: list[dict[str, Any]] = Field(
        min_length=1,
        description="A job each: its `file_ids` or `urls`, and what it asks for otherwise; a field that it names takes "
        "the place of the whole field in `defaults`.",
        examples=[[{"file_ids": ["0193a1b2c3d47e6f8091a2b3c4d5e6f7"]}, {"urls": ["https://example.com/b.mp3"]}]],
    )


async def checked_batch(body: Any, parts: Parts, owner_id: str) -> list[TranscribeRequest]:
    """A request for each item, when this server can do all of them.

    Raises:
        InvalidRequest: the body is no batch.
        BatchRefused: naming the fields of the items that are wrong.

    """
    batch = _batch(body, parts.settings.max_batch_items)
    defaults = by_newer_names(batch.defaults)
    requests: list[TranscribeRequest] = []
    refused: list[tuple[SpeechError, list[FieldError]]] = []
    for index, item in enumerate(batch.items):
        if sum(len(fields) for _, fields in refused) >= MOST_ERRORS:
            break
        await checkpoint()  # others have the loop between two items
        try:
            requests.append(await checked_request(defaults | by_newer_names(item), parts, owner_id))
        except SpeechError as error:
            if status_of(error) != BatchRefused.status:
                raise
            refused.append((error, _fields(index, error)))
    if refused:
        raise _refusal(refused)
    return requests


async def create_batch(parts: Parts, owner_id: str, requests: Sequence[TranscribeRequest], batch_id: str) -> list[str]:
    """Store the jobs, and the orders to run them; their ids.

    Raises:
        FilesMissing: naming the files that the owner does not have.
        QueueFull: the owner would have more unfinished jobs than the operator allows.

    """
    most = parts.settings.max_queued_jobs
    try:
        return await parts.store.batches.create(owner_id, requests, max_unfinished=most, batch_id=batch_id)
    except Missing as error:
        if error.code != FilesMissing.code:
            raise
        named = {
            f"items[{index}].file_ids[{place}]": file_id
            for index, request in enumerate(requests)
            for place, file_id in enumerate(request.file_ids)
        }
        raise await files_missing(parts, owner_id, named) from None


def _batch(body: Any, most: int) -> BatchBody:
    try:
        batch = BatchBody.model_validate(body)
    except ValidationError as error:
        raise invalid_request(error) from None
    if len(batch.items) > most:
        message = f"A batch has {most} items at most."
        raise InvalidRequest(message, [FieldError("items", message, "too_long")])
    given = [f"defaults.{name}" for name in _INPUTS if name in batch.defaults]
    if given:
        message = "Recordings and their texts belong to the items."
        raise InvalidRequest(message, [FieldError(field, message, "extra_forbidden") for field in given])
    if len(json.dumps(batch.defaults)) > DEFAULTS_BYTES:
        message = f"defaults may have {DEFAULTS_BYTES} bytes at most: every job keeps them."
        raise InvalidRequest(message, [FieldError("defaults", message, "too_long")])
    return batch


def _fields(index: int, error: SpeechError) -> list[FieldError]:
    item = f"items[{index}]"
    placed = inside(item, error) if isinstance(error, Refused | UnsupportedOption) else error
    if isinstance(placed, Refused) and placed.errors:
        return list(placed.errors)
    return [FieldError(placed.field if isinstance(placed, UnsupportedOption) else item, error.message, error.code)]


def _refusal(refused: Sequence[tuple[SpeechError, list[FieldError]]]) -> BatchRefused:
    first, fields = refused[0]
    more = f" ({len(refused) - 1} more items are refused; see errors)" if len(refused) > 1 else ""
    sentence = f"{fields[0].field}: {fields[0].message.rstrip('.')}{more}."
    return BatchRefused(sentence, [field for _, each in refused for field in each], code=first.code)
