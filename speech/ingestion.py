"""Sources that recordings are ingested from: what may be asked of one, and what becomes of its objects.

One definition serves the door (HTTP, command line) and the store, as with a transcription's options.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, model_validator

from speech.options import Identifier, OptionsModel, TranscribeRequest

OPTIONS_VERSION = 1
"""Raised when stored options can no longer be read by the model below."""
NEXT_TO_SOURCE = "next_to_source"
_CRON_FIELDS = 5
_LAST = re.compile(r"LW|[0-7]L", re.IGNORECASE)
"""The last working day, and the last Friday: CronSim knows them, the scheduler does not."""
_KEPT = "kept"


class ObjectStatus(StrEnum):
    """What became of one version of one object."""

    SUBMITTED = "submitted"
    DONE = "done"
    QUARANTINED = "quarantined"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


class RunStatus(StrEnum):
    """How a run of an ingest went."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


def _checked_cron(text: str, info: ValidationInfo) -> str:
    if _is_kept(info):
        return text
    if len(text.split()) != _CRON_FIELDS:
        raise ValueError("a schedule has five fields: minute, hour, day, month, day of the week")
    if _LAST.search(text):
        raise ValueError("the last working day (LW) and the last of a day of the week (5L) are not offered")
    try:
        next(CronSim(text, datetime(2026, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        raise ValueError("this is no cron expression that ever comes true") from error
    return text


def _checked_zone(name: str, info: ValidationInfo) -> str:
    # A file of the machine such as posix/Europe/Berlin is a zone to Python, and none to the scheduler.
    if not _is_kept(info) and name not in _zones():
        raise ValueError("there is no such time zone; Europe/Berlin is one")
    return name


def _is_kept(info: ValidationInfo) -> bool:
    return bool(info.context and info.context.get(_KEPT))


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


PlaceUrl = Annotated[
    str, StringConstraints(min_length=1, max_length=2048, pattern=r"^[A-Za-z][A-Za-z0-9+.\-]*://[^\x00-\x1f\x7f]*$")
]
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]
Cron = Annotated[
    str,
    StringConstraints(max_length=100, pattern=r"^[0-9A-Za-z*,/\- ]+$"),
    AfterValidator(_checked_cron),
]
TimeZone = Annotated[
    str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9_+\-/]+$"), AfterValidator(_checked_zone)
]
TagText = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9 +\-./:=_]+$")]


class ResultOptions(OptionsModel):
    """Where results are written back to, besides staying here."""

    to: PlaceUrl | Literal["next_to_source"] | None = Field(
        None, description="`next_to_source`, the URL of a prefix or folder, or null to write nothing back."
    )
    formats: list[Identifier] = Field(
        default_factory=lambda: ["json"], min_length=1, max_length=16, description="One file each: call.wav.json."
    )


class DoneOptions(OptionsModel):
    """What happens to a recording at its source once its results are written."""

    action: Literal["keep", "move", "tag"] = Field("keep", description="`tag` where the store has tags: S3 and Azure.")
    to: PlaceUrl | None = Field(None, description="The prefix or folder that it is moved to.")
    tag_name: TagText = "world-of-asr"
    tag_value: TagText = "done"

    @model_validator(mode="after")
    def _where_to(self) -> DoneOptions:
        if (self.action == "move") != (self.to is not None):
            raise ValueError("`to` names where a recording is moved, and belongs to the action `move`")
        return self


class IngestOptions(OptionsModel):
    """A source: where recordings lie, which of them are meant, and what is done with them."""

    url: PlaceUrl = Field(description="s3://bucket/prefix, gs://, az://, abfs:// or file:///folder.")
    pattern: Pattern = Field(
        "*", description="Of names (`*.wav`, at any depth), or of paths below the prefix (`2026/**/*.wav`)."
    )
    mode: Literal["since", "manifest"] = Field(
        "since", description="`since`: what came since the last run; `manifest`: the keys that an object lists."
    )
    manifest: PlaceUrl | None = Field(None, description="That object: JSON Lines or CSV, with `key` below the prefix.")
    overlap: float = Field(
        86_400, ge=0, le=365 * 86_400, description="Seconds that a run looks back behind what the last one saw."
    )
    request: TranscribeRequest = Field(
        default_factory=TranscribeRequest, description="As in `/transcribe`, without file_ids and urls."
    )
    results: ResultOptions = ResultOptions()
    when_done: DoneOptions = DoneOptions()
    tries: int = Field(3, ge=1, le=20, description="How often an object is tried, over runs, before its quarantine.")
    schedule: Cron | None = Field(None, description="When to run, as cron says it; null: when somebody asks.")
    timezone: TimeZone = "UTC"
    enabled: bool = Field(True, description="Whether the schedule counts.")
    store: Identifier | None = Field(None, description="The operator's name of the store that it must lie in.")

    @model_validator(mode="after")
    def _whole(self) -> IngestOptions:
        if (self.mode == "manifest") != (self.manifest is not None):
            raise ValueError("`manifest` names an object, and belongs to the mode `manifest`")
        if self.request.file_ids or self.request.urls:
            raise ValueError("`request` names no inputs: they come from the source")
        if self.request.script is not None:
            raise ValueError("`request` has no script: a text belongs to one recording")
        return self

    @classmethod
    def from_store(cls, stored: Mapping[str, Any]) -> IngestOptions:
        """Options that were accepted once: their schedule is not asked about again, so that they stay readable."""
        return cls.model_validate(stored, context={_KEPT: True})
