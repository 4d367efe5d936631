"""The request as it is stored with its job: versioned, without secrets of its URLs, and scrubbed on deletion."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import ValidationError

from speech.options import SPECIFICATION_VERSION, TranscribeRequest
from storage.errors import SpecificationUnreadable

_SECRET_TEXTS: dict[str, Any] = {
    "initial_prompt": None,
    "hotwords": [],
    "metadata": {},
    "parameters": {},
    "script": None,
}


NEWER: tuple[tuple[str, ...], ...] = (("diarization", "provider"), ("script",), ("guard",))
"""Fields that came after the first version. At their defaults they are not written: a worker of the version before,
which would refuse a field that it does not know, goes on running the jobs that ask for nothing new."""


def dump(request: TranscribeRequest) -> dict[str, Any]:
    """The request as JSON; the query of a URL is a secret that is kept with the file alone."""
    stored = request.model_dump(mode="json")
    stored["urls"] = [without_secrets(url) for url in request.urls]
    plain = TranscribeRequest().model_dump(mode="json")
    for path in NEWER:
        if path != ("guard",) or not _needs_steps(request):
            _leave_out(path, stored, plain)
    return stored


def _needs_steps(request: TranscribeRequest) -> bool:
    """Whether it asks for what workers of the first version know by name and do not do: what they refuse is written."""
    steps = (request.diarization, request.alignment, request.punctuation)
    return request.channels != "mix" or any(step.enabled for step in steps)


def _leave_out(path: tuple[str, ...], stored: dict[str, Any], plain: dict[str, Any]) -> None:
    *above, last = path
    for name in above:
        stored, plain = stored[name], plain[name]
    if stored[last] == plain[last]:
        del stored[last]


def load(stored: dict[str, Any], version: int) -> TranscribeRequest:
    """The request, exactly; SpecificationUnreadable when this version cannot understand it."""
    if version > SPECIFICATION_VERSION:
        raise SpecificationUnreadable(
            f"This job was written by a newer version (specification {version}, this one knows "
            f"{SPECIFICATION_VERSION}); update this process to run it."
        )
    try:
        return TranscribeRequest.model_validate(stored)
    except ValidationError as error:
        names = sorted({".".join(str(part) for part in item["loc"]) for item in error.errors()})
        raise SpecificationUnreadable(
            f"This job's request cannot be read by this version: {', '.join(names)}; submit it again."
        ) from None


def legible(stored: dict[str, Any]) -> TranscribeRequest:
    """As much of a foreign request as this version understands, good enough to show the job in a list."""
    known: dict[str, Any] = {}
    for name in TranscribeRequest.model_fields.keys() & stored.keys():
        try:
            TranscribeRequest.model_validate({name: stored[name]})
        except ValidationError:
            continue
        known[name] = stored[name]
    return TranscribeRequest.model_validate(known)


def scrub(stored: dict[str, Any]) -> dict[str, Any]:
    """The request without the owner's texts and secrets, for a job whose results were deleted."""
    clean = stored | {name: nothing for name, nothing in _SECRET_TEXTS.items() if name in stored}
    if stored.get("script"):
        clean["alignment"] = {"enabled": False, "provider": None}
        del clean["script"]
    clean["urls"] = [without_secrets(url) for url in stored.get("urls", [])]
    if clean.get("webhook_url"):
        clean["webhook_url"] = without_secrets(clean["webhook_url"])
    return clean


def without_secrets(url: str) -> str:
    """The URL without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except ValueError:
        return url.partition("?")[0].partition("#")[0].rpartition("@")[2]
