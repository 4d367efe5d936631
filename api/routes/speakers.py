"""Speakers who are known by their voices: enrolled, listed, renamed, deleted."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, TypeVar

import structlog
from anyio import to_thread
from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from api.answers import Answer, refusals, shown
from api.bodies import read_json
from api.deps import App, Caller, Parts
from api.idempotency import IdempotencyKey, checked_key, digest_of, once
from api.ids import SpeakerId, TakeId
from api.paging import Cursor, Limit
from api.problems import invalid_request
from api.refusals import AudioRefused, FieldError, FilesMissing
from api.speaker_schemas import SpeakerBody, SpeakerChange, SpeakerList, SpeakerView, TakesBody, speaker_view
from api.submission import files_missing
from speech.addresses import API
from speech.errors import InvalidAudio
from speech.options import OptionsModel
from speech.speakers import refuse_length
from storage.blobs import BlobsUnusable
from storage.errors import Missing

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/speakers", tags=["speakers"])

B = TypeVar("B", bound=OptionsModel)
_FILE = "0193a1b2c3d47e6f8091a2b3c4d5e6f7"


def _body(model: type[OptionsModel], example: dict[str, Any]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    content = {"application/json": {"schema": schema, "examples": {"a voice": {"value": example}}}}
    return {"requestBody": {"required": True, "content": content}}


_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"headers": {"Location": {"description": "The speaker.", "schema": {"type": "string"}}}}
}


def _read(model: type[B], body: Any) -> B:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise invalid_request(error) from None


async def _check(parts: Parts, owner_id: str, file_ids: list[str]) -> None:
    """See that somebody here can listen, and that the recordings may serve.

    Raises:
        UnsupportedOption, PolicyRefused: when nobody can.
        FilesMissing, AudioRefused: naming the fields.

    """
    await to_thread.run_sync(parts.registry.voice_model)
    errors = []
    for index, file_id in enumerate(file_ids):
        try:
            file = await parts.store.files.get(owner_id, file_id)
            if file.duration is not None:
                refuse_length(file.duration)
        except Missing:
            named = {f"file_ids[{place}]": each for place, each in enumerate(file_ids)}
            raise await files_missing(parts, owner_id, named) from None
        except InvalidAudio as error:
            errors.append(FieldError(f"file_ids[{index}]", error.message, error.code))
    if errors:
        raise AudioRefused(errors[0].message, errors)


@router.post(
    "",
    operation_id="enrol_speaker",
    summary="Enrol a speaker",
    status_code=202,
    response_model=SpeakerView,
    responses={**_ACCEPTED, **refusals(404, 408, 409, 413, 415, 422)},
    openapi_extra=_body(SpeakerBody, {"name": "Ada Lovelace", "file_ids": [_FILE]}),
)
async def enrol_speaker(
    request: Request, parts: App, caller: Caller, idempotency_key: IdempotencyKey = None
) -> Response:
    """Recorded durably; a worker listens to the takes within seconds, and `status` says what came of it.

    From then on jobs that ask for `diarization.identify` name the speaker. 409 `speaker_exists` when the name is
    taken, `too_many_speakers` when there are as many as the operator allows. An `Idempotency-Key` that is sent again
    enrols nobody again: the answer says the name that the speaker has by then, and is 404 `resource_deleted` when they
    were deleted.
    """
    key = checked_key(idempotency_key)
    body = await read_json(request)

    async def enrol(speaker_id: str) -> Answer:
        asked = _read(SpeakerBody, body)
        if key is not None and (known := await _enrolled(parts, caller.owner_id, speaker_id)) is not None:
            return known
        await _check(parts, caller.owner_id, asked.file_ids)
        try:
            made = await parts.store.speakers.create(
                caller.owner_id,
                asked.name,
                asked.file_ids,
                speaker_id=speaker_id,
                most=parts.settings.max_speakers,
                key_id=caller.key_id,
            )
        except Missing as error:
            raise _gone(error) from None
        log.info("speaker enrolled", speaker_id=made.speaker_id, takes=len(made.takes), key_id=caller.key_id)
        return Answer.of(speaker_view(made), 202)

    answer = await once(parts.store, caller.owner_id, "speakers", key, digest_of(body) if key else "", enrol)
    return answer.response({"Location": f"{API}/speakers/{json.loads(answer.body)['speaker_id']}"})


async def _enrolled(parts: Parts, owner_id: str, speaker_id: str) -> Answer | None:
    """Whoever the same request has enrolled before, as they are now; their recordings may be gone."""
    try:
        return Answer.of(speaker_view(await parts.store.speakers.get(owner_id, speaker_id)), 202)
    except Missing:
        return None


def _gone(error: Missing) -> Missing | FilesMissing:
    """A file that went between the look and the commit."""
    return FilesMissing(error.message) if error.code == FilesMissing.code else error


@router.get(
    "",
    operation_id="list_speakers",
    summary="The speakers, newest first",
    response_model=SpeakerList,
    responses=refusals(409, 422),
)
async def list_speakers(parts: App, caller: Caller, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """A page of speakers; `next_cursor` leads to the next one."""
    found, following = await parts.store.speakers.list(caller.owner_id, limit=limit, cursor=cursor)
    return shown(SpeakerList(speakers=[speaker_view(one) for one in found], next_cursor=following))


@router.get(
    "/{speaker_id}",
    operation_id="get_speaker",
    summary="A speaker",
    response_model=SpeakerView,
    responses=refusals(404, 422),
)
async def get_speaker(speaker_id: SpeakerId, parts: App, caller: Caller) -> Response:
    """The name, and what became of each take."""
    return shown(speaker_view(await parts.store.speakers.get(caller.owner_id, speaker_id)))


@router.patch(
    "/{speaker_id}",
    operation_id="rename_speaker",
    summary="Rename a speaker",
    response_model=SpeakerView,
    responses=refusals(404, 408, 409, 413, 415, 422),
    openapi_extra=_body(SpeakerChange, {"name": "Ada King"}),
)
async def rename_speaker(speaker_id: SpeakerId, request: Request, parts: App, caller: Caller) -> Response:
    """Jobs from then on say the new name; transcripts that were written keep the old one. 409 `speaker_exists`."""
    asked = _read(SpeakerChange, await read_json(request))
    return shown(speaker_view(await parts.store.speakers.rename(caller.owner_id, speaker_id, asked.name)))


@router.delete(
    "/{speaker_id}",
    operation_id="delete_speaker",
    summary="Delete a speaker",
    status_code=204,
    responses=refusals(404, 422),
)
async def delete_speaker(speaker_id: SpeakerId, parts: App, caller: Caller) -> Response:
    """Name, takes and vectors are gone at once; that it was done stays in the audit, by the speaker's id alone.

    The recordings are files of their own (`DELETE /files/{file_id}`); transcripts keep the names that they have.
    """
    takes = await parts.store.speakers.delete(caller.owner_id, speaker_id, key_id=caller.key_id)
    log.info("speaker deleted", speaker_id=speaker_id, takes=takes, key_id=caller.key_id)
    with suppress(BlobsUnusable):  # they are deleted, and what is left of their blobs control collects
        await parts.store.collect()
    return Response(status_code=204)


@router.post(
    "/{speaker_id}/takes",
    operation_id="add_takes",
    summary="Add takes of a speaker",
    status_code=202,
    response_model=SpeakerView,
    responses={**_ACCEPTED, **refusals(404, 408, 409, 413, 415, 422)},
    openapi_extra=_body(TakesBody, {"file_ids": [_FILE]}),
)
async def add_takes(speaker_id: SpeakerId, request: Request, parts: App, caller: Caller) -> Response:
    """Each is listened to as at the enrolment. A file that failed or is `stale` is listened to anew; one that is
    `ready` stays so: asking twice does no harm. 409 `too_many_speakers` beyond 20 takes."""
    asked = _read(TakesBody, await read_json(request))
    await parts.store.speakers.get(caller.owner_id, speaker_id)
    await _check(parts, caller.owner_id, asked.file_ids)
    try:
        changed = await parts.store.speakers.add_takes(caller.owner_id, speaker_id, asked.file_ids)
    except Missing as error:
        raise _gone(error) from None
    return Answer.of(speaker_view(changed), 202).response({"Location": f"{API}/speakers/{speaker_id}"})


@router.delete(
    "/{speaker_id}/takes/{take_id}",
    operation_id="delete_take",
    summary="Delete a take",
    status_code=204,
    responses=refusals(404, 409, 422),
)
async def delete_take(speaker_id: SpeakerId, take_id: TakeId, parts: App, caller: Caller) -> Response:
    """Its vector is gone at once. The last take cannot go by itself (409 `last_take`): delete the speaker."""
    await parts.store.speakers.delete_take(caller.owner_id, speaker_id, take_id, key_id=caller.key_id)
    log.info("take deleted", speaker_id=speaker_id, take_id=take_id, key_id=caller.key_id)
    return Response(status_code=204)
