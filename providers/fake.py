"""A recogniser that says what it was told to say: for tests and demonstrations, never offered by itself.

Its words depend on the options and the length of the audio alone. It can be made to fail, to be slow, and to hang until
its job is cancelled: by its ``parameters`` in a request, or by a `Script` when it is made.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from audio.samples import SAMPLE_RATE, Samples
from providers.base import Availability, Capabilities, ModelInfo, Parameters, Recogniser, RecognitionOptions, Watch
from providers.context import ProviderContext
from providers.sound import SILENCE_PEAK
from speech.errors import (
    AuthenticationFailed,
    JobCancelled,
    ModelNotFound,
    ModelUnavailable,
    ProviderError,
    ProviderProtocolError,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
)
from speech.options import TranscribeRequest
from speech.transcript import Recognition, Segment, Word, joined

MODEL = "scripted"
WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
WORDS_PER_SEGMENT = 8
RETRY_AFTER = 0.1
AVAILABLE = Availability(True)
LOOK_SECONDS = 0.01
"""How often a hanging or slow recognition asks whether it is still wanted."""

PROVIDER_ERRORS: dict[str, type[ProviderError]] = {
    error.code: error
    for error in (
        ProviderUnavailable,
        ProviderTimeout,
        RateLimited,
        ProviderRejected,
        AuthenticationFailed,
        QuotaExhausted,
        ProviderProtocolError,
    )
}
"""The errors that a recogniser may raise, by code."""

Failure = Literal[
    "provider_unavailable",
    "provider_timeout",
    "rate_limited",
    "provider_rejected",
    "authentication_failed",
    "quota_exhausted",
    "provider_protocol_error",
    "model_unavailable",
    "bug",
]


class FakeParameters(Parameters):
    """What the fake does in this job."""

    words: Annotated[list[Annotated[str, Field(pattern=r"^\S+$", max_length=100)]], Field(min_length=1)] = Field(
        list(WORDS), description="Words, said over and over."
    )
    words_per_second: float = Field(2.0, gt=0, le=20, description="Words in a second of audio.")
    fail: Failure | None = Field(None, description="Raise this error; `bug` is one that nobody expects.")
    fail_times: int = Field(1, ge=1, description="How many recognitions in a row fail before one succeeds.")
    delay: float = Field(0, ge=0, le=600, description="Seconds that each segment takes.")
    hang: bool = Field(False, description="Never come to an end, but for being cancelled.")


@dataclass(frozen=True, slots=True)
class Script:
    """What the fake does by itself: ``failures`` are raised one after another, the next recognition succeeds."""

    failures: Sequence[BaseException] = ()
    availability: Availability = AVAILABLE


class Fake(Recogniser):
    """The scripted recogniser; ``recognitions`` counts how often it was asked."""

    name: ClassVar[str] = "fake"
    title: ClassVar[str] = "Scripted fake"
    version: ClassVar[str] = "1"
    capabilities: ClassVar[Capabilities] = Capabilities(
        local=True,
        languages=("de", "en", "es", "fr"),
        detects_language=True,
        translates_to_english=True,
        word_timestamps=True,
        confidences=True,
        initial_prompt=True,
        hotwords=True,
    )
    parameters_model: ClassVar[type[FakeParameters]] = FakeParameters

    def __init__(self, context: ProviderContext | None = None, script: Script | None = None) -> None:
        self._script = script or Script()
        self._failures = list(self._script.failures)
        self._failed = 0
        self._counting = threading.Lock()
        self.recognitions = 0

    def default_model(self) -> str:
        """Its only model."""
        return MODEL

    def models(self) -> tuple[ModelInfo, ...]:
        """Its only model, always there."""
        return (ModelInfo(MODEL, self.capabilities.languages, installed=True, source="built in", default=True),)

    def availability(self) -> Availability:
        """As the script says."""
        return self._script.availability

    def digest(self, model: str) -> str:
        """Always the same: there are no weights."""
        return f"fake:{self.version}"

    def engine_version(self) -> str:
        """There is no library underneath."""
        return "fake"

    def _check_model(self, model: str, request: TranscribeRequest) -> None:
        if model != MODEL:
            raise ModelNotFound(f"model: the fake has one model, {MODEL}.", "model")

    def _recognise(self, samples: Samples, options: RecognitionOptions, watch: Watch) -> Recognition:
        given = options.parameters
        parameters = given if isinstance(given, FakeParameters) else FakeParameters()
        self._fail(parameters)
        if parameters.hang:
            _pass_time(float("inf"), watch)
        if not samples.size or float(abs(samples).max()) < SILENCE_PEAK:
            return Recognition((), options.language)
        said = []
        for segment in _segments(samples.size / SAMPLE_RATE, options, parameters):
            _pass_time(parameters.delay, watch)
            said.append(segment)
            watch.heard(segment.end, segment)
        if not said:
            return Recognition((), options.language)
        return Recognition(tuple(said), options.language or "en", 1.0)

    def _fail(self, parameters: FakeParameters) -> None:
        with self._counting:
            self.recognitions += 1
            scripted = self._failures.pop(0) if self._failures else None
            asked = parameters.fail if self._failed < parameters.fail_times else None
            self._failed = self._failed + 1 if asked is not None else 0
        if scripted is not None:
            raise scripted
        if asked is not None:
            raise _error(asked)


def _error(code: Failure) -> Exception:
    if code == "bug":
        return ArithmeticError("The fake was told to break.")
    if code == "model_unavailable":
        return ModelUnavailable("The fake was told to fail.")
    return PROVIDER_ERRORS[code]("The fake was told to fail.", "fake", RETRY_AFTER if code == "rate_limited" else None)


def _pass_time(seconds: float, watch: Watch) -> None:
    """Be busy for so long; JobCancelled as soon as the job is."""
    never = threading.Event()
    left = seconds
    while True:
        if watch.cancelled():
            raise JobCancelled("The job was cancelled while it was recognised.")
        if left <= 0:
            return
        never.wait(min(left, LOOK_SECONDS))
        left -= LOOK_SECONDS


def _segments(duration: float, options: RecognitionOptions, parameters: FakeParameters) -> Iterator[Segment]:
    step = 1 / parameters.words_per_second
    count = int(duration * parameters.words_per_second)
    for first in range(0, count, WORDS_PER_SEGMENT):
        numbers = range(first, min(first + WORDS_PER_SEGMENT, count))
        words = tuple(
            Word(
                start=round(number * step, 3),
                end=round(min(duration, (number + 0.8) * step), 3),
                text=parameters.words[number % len(parameters.words)],
                space_before=number > first,
                confidence=0.9,
            )
            for number in numbers
        )
        yield Segment(
            start=words[0].start,
            end=words[-1].end,
            text=joined(words),
            words=words if options.word_timestamps else (),
            language=options.language or "en",
            confidence=0.9,
        )
