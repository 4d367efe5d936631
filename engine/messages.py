"""What a live server and an engine say to each other, one JSON object a frame.

::

    live server                          engine
    hello {version}                  →
                                     ←   welcome {version, audio_seconds, requests}
    recognise {id, ...} + audio      →
    cancel {id}                      →
                                     ←   result {id} + words        one of the two for each request,
                                     ←   failed {id, code, ...}     in any order

``failed`` without an id is the last word on a connection.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from engine.frames import BadFrame, framed

VERSION = 1
"""Raised when an older end would misunderstand a newer one."""

Id = Annotated[int, Field(ge=0, lt=2**53)]
Encoding = Literal["pcm_f32le", "pcm_s16le"]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class Hello(_Message):
    """The first message of whoever connects; what a later version adds to it is passed over."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["hello"] = "hello"
    version: int


class Welcome(_Message):
    """The engine's answer: the longest audio of one request in seconds, and how many may be under way at once."""

    type: Literal["welcome"] = "welcome"
    version: int = VERSION
    audio_seconds: float
    requests: int


class Recognise(_Message):
    """Recognise the mono audio at 16 kHz in the payload.

    ``options`` are fields of a `TranscribeRequest`; ``seconds`` those that are left until its deadline, which with
    ``expires`` is also when nobody wants it any more, unless it has been begun.
    """

    type: Literal["recognise"] = "recognise"
    id: Id
    owner: str = Field(max_length=128)
    options: dict[str, Any] = Field(default_factory=dict)
    seconds: float | None = None
    expires: bool = True
    encoding: Encoding
    sample_rate: Literal[16000] = 16000


class Cancel(_Message):
    """Nobody wants it any more; it is answered all the same."""

    type: Literal["cancel"] = "cancel"
    id: Id


class Result(_Message):
    """The words are the payload: a `Recognition` as JSON."""

    type: Literal["result"] = "result"
    id: Id


class Failed(_Message):
    """An error of the product, by its code and what it carries; without an id it is the connection's last word."""

    type: Literal["failed"] = "failed"
    id: Id | None = None
    code: str
    message: str
    retryable: bool = False
    field: str = ""
    provider: str = ""
    retry_after: float | None = None


Message = Hello | Welcome | Recognise | Cancel | Result | Failed
_ANY: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="type")])


def parse(header: bytes) -> Message:
    """The message of a header.

    Raises:
        BadFrame: when it is none of ours.

    """
    try:
        return _ANY.validate_json(header)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadFrame(f"A message is not of the protocol ({where or 'message'}: {first['type']}).") from None


def said(message: Message, payload_bytes: int = 0) -> bytes:
    """A message as it goes over the socket, up to its payload."""
    return framed(message.model_dump_json(exclude_none=True).encode(), payload_bytes)
