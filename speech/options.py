"""What may be asked of a transcription: the body of ``POST /transcribe``, stored with the job as its specification.

One definition serves the door (HTTP, command line) and the store, so that what was checked is what runs.
Unknown fields are refused everywhere. Lengths in seconds.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

SPECIFICATION_VERSION = 1
"""Raised when a stored specification can no longer be read by the model below."""

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.\-]+$")]
ProviderName = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z0-9_\-]+$")]
ModelName = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f]+$")]
Phrase = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=4096, pattern=r"^[A-Za-z][A-Za-z0-9+.\-]*://[^\s\x00-\x1f]+$"),
]
LanguageCode = Annotated[str, StringConstraints(pattern=r"^(auto|[a-z]{2,3}(-[A-Za-z0-9]{2,8})*)$")]


WebhookEvent = Literal["completed", "failed", "cancelled"]
DEFAULT_WEBHOOK_EVENTS: tuple[WebhookEvent, ...] = ("completed", "failed")


OLDER_NAMES = {"model_type": "provider", "model_size": "model"}
"""Names that clients of older versions use for fields of the request."""


class Priority(StrEnum):
    """Which queue a job waits in."""

    EXPRESS = "express"
    NORMAL = "normal"
    LOW = "low"


class OptionsModel(BaseModel):
    """Frozen, and deaf to nothing: a field that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class VadOptions(OptionsModel):
    """Which parts of the audio count as speech (silero VAD)."""

    enabled: bool = Field(True, description="Recognise only what sounds like speech.")
    threshold: float = Field(0.5, gt=0, lt=1, description="Speech probability from which a frame is speech.")
    min_silence: float = Field(0.5, ge=0, le=30, description="Seconds of silence that end a stretch of speech.")
    max_segment: float = Field(30, ge=1, le=3600, description="Longest stretch of speech in seconds.")


class DiarizationOptions(OptionsModel):
    """Who spoke."""

    enabled: bool = Field(False, description="Say who speaks each word.")
    provider: ProviderName | None = Field(None, description="Who diarizes; null is the first that can.")
    num_speakers: int | None = Field(None, ge=1, le=64)
    min_speakers: int | None = Field(None, ge=1, le=64)
    max_speakers: int | None = Field(None, ge=1, le=64)
    identify: bool = False

    @model_validator(mode="after")
    def _heeded(self) -> Self:
        asked = sorted(name for name in self.model_fields_set - {"enabled"} if getattr(self, name))
        if asked and not self.enabled:
            raise ValueError(f"{asked[0]} needs enabled: true")
        if self.num_speakers and (self.min_speakers or self.max_speakers):
            raise ValueError("give num_speakers, or min_speakers and max_speakers, not both")
        if self.min_speakers and self.max_speakers and self.min_speakers > self.max_speakers:
            raise ValueError("min_speakers is more than max_speakers")
        return self


class StepOptions(OptionsModel):
    """A step of its own provider: alignment, punctuation."""

    enabled: bool = False
    provider: ProviderName | None = Field(None, description="Who does it; null is the first that can.")

    @model_validator(mode="after")
    def _heeded(self) -> Self:
        if self.provider and not self.enabled:
            raise ValueError("provider needs enabled: true")
        return self


class GuardOptions(OptionsModel):
    """Whether words that nobody said are left out."""

    enabled: bool = Field(True, description="Leave out what a recogniser makes of silence, noise and music.")


class SubtitleOptions(OptionsModel):
    """How cues are cut. Width and number of lines are hard limits; duration and reading speed are soft."""

    max_line_width: int = Field(42, ge=8, le=200, description="Columns of a line; wide CJK characters count two.")
    max_lines: int = Field(2, ge=1, le=10)
    max_duration: float = Field(7.0, gt=0, le=60, description="Longest time that a cue stays, in seconds.")
    max_cps: float = Field(20, gt=0, le=100, description="Reading speed in characters a second.")


class TranscribeRequest(OptionsModel):
    """The body of ``POST /transcribe``; the defaults are the contract's."""

    file_ids: list[Identifier] = Field(default_factory=list, max_length=100, description="Ids that `/upload` gave.")
    urls: list[Url] = Field(default_factory=list, max_length=100, description="Recordings to fetch; https by default.")
    provider: ProviderName = Field("faster_whisper", description="Who recognises; see `/providers`.")
    model: ModelName | None = Field(None, description="Null is the provider's default for this machine.")
    fallback_providers: list[ProviderName] = Field(default_factory=list, max_length=8)
    data_policy: Literal["any", "local_only"] = "any"
    language: LanguageCode = Field("auto", description="ISO 639 code, or `auto` to detect it.")
    task: Literal["transcribe", "translate"] = Field("transcribe", description="`translate` is into English.")
    translate_to: list[LanguageCode] = Field(default_factory=list, max_length=8)
    output_formats: Annotated[list[Identifier], Field(max_length=32)] | Literal["all"] = Field(
        default_factory=lambda: ["json"]
    )
    word_timestamps: bool = True
    vad: VadOptions = VadOptions()
    guard: GuardOptions = GuardOptions()
    diarization: DiarizationOptions = DiarizationOptions()
    alignment: StepOptions = StepOptions()
    script: Annotated[str, StringConstraints(min_length=1, max_length=500_000)] | None = Field(
        None,
        description="What is spoken, word for word: its words get times instead of those that are recognised.",
    )
    punctuation: StepOptions = StepOptions()
    channels: Annotated[
        str,
        BeforeValidator(lambda given: str(given) if type(given) is int else given),
        StringConstraints(pattern=r"^(mix|split|[0-9]{1,2})$"),
        Field(description="`mix` of all, `split`: each by itself, or the number of one, from 0."),
    ] = "mix"
    enhance: bool = False
    initial_prompt: Annotated[str, StringConstraints(max_length=2000)] | None = None
    hotwords: list[Phrase] = Field(default_factory=list, max_length=200)
    redact: list[Identifier] = Field(default_factory=list, max_length=32)
    subtitles: SubtitleOptions = SubtitleOptions()
    parameters: dict[str, Any] = Field(default_factory=dict, description="The provider's own options.")
    priority: Priority = Priority.NORMAL
    not_before: AwareDatetime | None = Field(
        None, description="The job waits until then, a year at most; a moment that has passed means now."
    )
    timeout: float | None = Field(
        None, gt=0, le=7 * 86400, description="Seconds that an attempt may run; then it stops and is not tried again."
    )
    cache: Literal["use", "refresh"] = Field("use", description="`refresh` does every step anew.")
    webhook_url: Url | None = Field(
        None, description="Who is told of the job's end, by a signed POST (Standard Webhooks); https by default."
    )
    webhook_events: list[WebhookEvent] = Field(
        default_factory=lambda: list(DEFAULT_WEBHOOK_EVENTS), max_length=3, description="Which ends are told."
    )
    expires_in: float | None = Field(
        None,
        gt=0,
        le=10 * 365 * 86400,
        description="Seconds after the job's end until its results go; null is the server's default.",
    )
    metadata: dict[str, Any] = Field(default_factory=dict, description="Yours; given back as it came.")

    @model_validator(mode="after")
    def _aligned(self) -> Self:
        if self.script is not None and not self.alignment.enabled:
            raise ValueError("script needs alignment.enabled: true")
        if self.alignment.enabled and not self.word_timestamps:
            raise ValueError("alignment gives times to words: it needs word_timestamps: true")
        if self.alignment.enabled and self.task == "translate":
            raise ValueError("alignment finds the words that are spoken: it cannot time a translation")
        if self.script is not None and self.channels == "split":
            raise ValueError("script is one text for one recording: it cannot be aligned with each channel by itself")
        if self.script is not None and not any(sign.isalnum() for sign in self.script):
            raise ValueError("script has no words in it")
        return self

    @model_validator(mode="before")
    @classmethod
    def _older_names(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        renamed = by_newer_names(data)
        for old, new in OLDER_NAMES.items():
            if old in renamed:
                raise ValueError(f"give {new} or its older name {old}, not both")
        return renamed


def by_newer_names(body: dict[str, Any]) -> dict[str, Any]:
    """The body with its fields' older names replaced; one that is named twice keeps both names, and is refused."""
    twice = {old for old, new in OLDER_NAMES.items() if new in body}
    return {name if name in twice else OLDER_NAMES.get(name, name): value for name, value in body.items()}


def not_offered_yet(request: TranscribeRequest) -> list[str]:
    """The fields of the request that this server does not offer yet, as the request names them."""
    asked = {
        "fallback_providers": bool(request.fallback_providers),
        "translate_to": bool(request.translate_to),
        "enhance": request.enhance,
        "redact": bool(request.redact),
    }
    return [name for name, present in asked.items() if present]
