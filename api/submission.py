"""The body of ``POST /transcribe``, checked to the end before anything is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from anyio import to_thread
from pydantic import ValidationError

from api.deps import Parts
from api.identification import check_identification
from api.problems import invalid_request
from api.refusals import FieldError, FilesMissing, InvalidRequest, NotOffered, UnknownFormatAsked, UrlsRefused
from remote.guard import check as check_url
from speech.clock import now
from speech.errors import UrlRefused
from speech.formats import UnknownFormat, resolve
from speech.options import DEFAULT_WEBHOOK_EVENTS, TranscribeRequest, not_offered_yet
from storage.errors import Missing
from storage.jobs import PlacedJob

LONGEST_WAIT = timedelta(days=366)
"""How far ahead `not_before` may be."""
METADATA_BYTES = 16 * 1024
"""Largest ``metadata``, as JSON."""


async def checked_request(body: Any, parts: Parts, owner_id: str) -> TranscribeRequest:
    """The request, when this server can do all of it for this owner.

    Raises:
        InvalidRequest: fields are wrong or unknown, or there is no input.
        NotOffered, UnknownFormatAsked, UrlsRefused: naming the fields.
        UnknownProvider, ModelNotFound, UnsupportedOption, PolicyRefused: what the provider or the policy refuses.

    """
    try:
        request = TranscribeRequest.model_validate(body)
    except ValidationError as error:
        raise invalid_request(error) from None
    _check_inputs(request)
    _check_metadata(request)
    _check_times(request)
    _check_webhook(request)
    _check_offered(request)
    _check_formats(request)
    # The registry looks at the disk for models, and may import a provider's file.
    await to_thread.run_sync(parts.registry.check, request)
    await check_identification(request, owner_id, parts)
    _check_urls(request, parts)
    return request


def _check_inputs(request: TranscribeRequest) -> None:
    if not request.file_ids and not request.urls:
        message = "Give file_ids, urls or both: there is nothing to transcribe."
        raise InvalidRequest(message, [FieldError("file_ids", message, "missing")])
    if request.script is not None and len(request.file_ids) + len(request.urls) > 1:
        message = "A text belongs to one recording: give one file id or one URL."
        raise InvalidRequest(message, [FieldError("script", message, "too_many")])
    for field, values in (("file_ids", request.file_ids), ("urls", request.urls)):
        twins = [index for index, value in enumerate(values) if value in values[:index]]
        if twins:
            errors = [FieldError(f"{field}[{index}]", "It is named twice.", "duplicate") for index in twins]
            raise InvalidRequest(f"{field} names the same recording twice.", errors)


def check_defaults(request: TranscribeRequest, parts: Parts) -> None:
    """The same for what is asked of recordings that are still to come; the provider is asked by whoever keeps it.

    Raises:
        InvalidRequest, UrlsRefused: naming the fields.

    """
    _check_metadata(request)
    _check_times(request)
    _check_webhook(request)
    _check_urls(request, parts)


def _check_metadata(request: TranscribeRequest) -> None:
    if len(json.dumps(request.metadata, ensure_ascii=False).encode()) > METADATA_BYTES:
        message = f"metadata may have {METADATA_BYTES} bytes at most."
        raise InvalidRequest(message, [FieldError("metadata", message, "too_long")])


def _check_webhook(request: TranscribeRequest) -> None:
    if request.webhook_url is None and tuple(request.webhook_events) != DEFAULT_WEBHOOK_EVENTS:
        message = "webhook_events says what to tell, but there is no webhook_url to tell it to."
        raise InvalidRequest(message, [FieldError("webhook_url", message, "missing")])


def _check_times(request: TranscribeRequest) -> None:
    if request.not_before is not None and request.not_before > now() + LONGEST_WAIT:
        message = "not_before is more than a year ahead, longer than a job may wait."
        raise InvalidRequest(message, [FieldError("not_before", message, "too_late")])


def _check_offered(request: TranscribeRequest) -> None:
    fields = not_offered_yet(request)
    if fields:
        errors = [FieldError(field, "This server does not offer it yet.", NotOffered.code) for field in fields]
        raise NotOffered(f"This server does not offer {', '.join(fields)} yet; leave it out.", errors)


def _check_formats(request: TranscribeRequest) -> None:
    wanted: Sequence[str] = [] if request.output_formats == "all" else request.output_formats
    errors = []
    for index, name in enumerate(wanted):
        try:
            resolve([name])
        except UnknownFormat as error:
            errors.append(FieldError(f"output_formats[{index}]", error.message, error.code))
    if errors:
        raise UnknownFormatAsked(errors[0].message, errors)


def _check_urls(request: TranscribeRequest, parts: Parts) -> None:
    """Without asking any name server: addresses are checked again, and pinned, when the URL is fetched."""
    errors = []
    for index, url in enumerate(request.urls):
        try:
            check_url(url, parts.url_rules)
        except UrlRefused as error:
            errors.append(FieldError(f"urls[{index}]", error.message, error.code))
    if request.webhook_url is not None:
        try:
            check_url(request.webhook_url, parts.webhook_rules)
        except UrlRefused as error:
            errors.append(FieldError("webhook_url", error.message, error.code))
    if errors:
        raise UrlsRefused(errors[0].message, errors)


async def create_job(parts: Parts, owner_id: str, request: TranscribeRequest, job_id: str) -> PlacedJob:
    """Store the job, and the order to run it; the job with its place in the queue.

    Raises:
        FilesMissing: naming the files that the owner does not have.
        QueueFull: the owner has as many unfinished jobs as the operator allows.

    """
    most = parts.settings.max_queued_jobs
    try:
        return await parts.store.jobs.create_placed(owner_id, request, max_unfinished=most, job_id=job_id)
    except Missing as error:
        if error.code != FilesMissing.code:
            raise
        named = {f"file_ids[{index}]": file_id for index, file_id in enumerate(request.file_ids)}
        raise await files_missing(parts, owner_id, named) from None


async def files_missing(parts: Parts, owner_id: str, named: Mapping[str, str]) -> FilesMissing:
    """The refusal for files that the owner does not have; ``named`` says which field names which id."""
    absent = await parts.store.files.absent(owner_id, set(named.values()))
    errors = [
        FieldError(field, f"There is no file {file_id}.", FilesMissing.code)
        for field, file_id in named.items()
        if file_id in absent
    ]
    names = ", ".join(error.field for error in errors[:5])
    return FilesMissing(f"There is no such file: {names or 'file_ids'}. Upload it first.", errors)
