"""What is asked and answered about speakers. Vectors of voices are shown to nobody."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from api.schemas import EXAMPLE_ID, Shape
from speech.options import Identifier, OptionsModel
from speech.speakers import MOST_TAKES, SpeakerStatus, TakeStatus, refuse_name
from storage.speakers import Speaker

_MOMENT = "2026-05-04T09:30:00Z"


def _told_apart(file_ids: list[str]) -> list[str]:
    if len(set(file_ids)) < len(file_ids):
        raise ValueError("the same file is named twice")
    return file_ids


SpeakerName = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$"
    ),
    AfterValidator(refuse_name),
]
TakeFiles = Annotated[list[Identifier], AfterValidator(_told_apart)]
_NAME = "As people read it in transcripts; no two speakers of an owner share one, whatever its case."
_FILES = "Ids that `/upload` gave: each a recording of 2 to 60 s of this one voice. Several takes know better than one."


class SpeakerBody(OptionsModel):
    """Somebody who is to be known by the voice. See to it that they agree: this is biometric data."""

    name: SpeakerName = Field(description=_NAME, examples=["Ada Lovelace"])
    file_ids: TakeFiles = Field(min_length=1, max_length=MOST_TAKES, description=_FILES, examples=[[EXAMPLE_ID]])


class SpeakerChange(OptionsModel):
    """Another name."""

    name: SpeakerName = Field(description=_NAME, examples=["Ada King"])


class TakesBody(OptionsModel):
    """Further takes."""

    file_ids: TakeFiles = Field(min_length=1, max_length=MOST_TAKES, description=_FILES, examples=[[EXAMPLE_ID]])


class TakeView(Shape):
    """One recording of the voice. It serves also when the recording itself is gone."""

    take_id: str = Field(description="Opaque id.", examples=[EXAMPLE_ID])
    file_id: str = Field(description="The recording.", examples=[EXAMPLE_ID])
    status: TakeStatus = Field(
        description="`ready` once it was listened to; `stale` when the model of voices has changed since: add its file "
        "again.",
        examples=["ready"],
    )
    duration: float | None = Field(description="Seconds of the recording.", examples=[12.5])
    error: str | None = Field(description="A sentence, when it cannot serve.", examples=[None])
    error_code: str | None = Field(description="A stable word, when it cannot serve.", examples=[None])
    created_at: datetime = Field(description="When it was asked for.", examples=[_MOMENT])


class SpeakerView(Shape):
    """Somebody who is known by the voice, or soon will be."""

    speaker_id: str = Field(description="Opaque id.", examples=[EXAMPLE_ID])
    name: str = Field(description="As in transcripts.", examples=["Ada Lovelace"])
    status: SpeakerStatus = Field(
        description="`ready` as soon as one take is; `stale` when all that are ready are of another model of voices.",
        examples=["ready"],
    )
    takes: list[TakeView] = Field(description="The oldest first.")
    created_at: datetime = Field(description="When it was made.", examples=[_MOMENT])
    updated_at: datetime = Field(description="When anything of it last changed.", examples=[_MOMENT])


class SpeakerList(Shape):
    """A page of speakers."""

    speakers: list[SpeakerView] = Field(description="The newest first.")
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


def speaker_view(speaker: Speaker) -> SpeakerView:
    """A speaker, as the API shows it."""
    return SpeakerView(
        speaker_id=speaker.speaker_id,
        name=speaker.name,
        status=speaker.status,
        takes=[TakeView(**{name: getattr(take, name) for name in TakeView.model_fields}) for take in speaker.takes],
        created_at=speaker.created_at,
        updated_at=speaker.updated_at,
    )
