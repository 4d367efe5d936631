"""One recognition by faster-whisper: its generator driven to the end, or to where the job is cancelled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from audio.samples import SAMPLE_RATE, Samples
from providers.base import RecognitionOptions, Watch
from providers.chunks import quiet_cuts
from providers.whisper_options import WhisperParameters
from providers.whisper_words import SegmentReader, probability
from speech.errors import JobCancelled
from speech.transcript import Recognition, Segment, ordered

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.transcribe import Segment as Heard
    from faster_whisper.transcribe import TranscriptionInfo

WINDOW_SECONDS = 30
"""What the network hears at once."""


def listen(
    model: WhisperModel,
    samples: Samples,
    options: RecognitionOptions,
    parameters: WhisperParameters,
    watch: Watch,
) -> Recognition:
    """Recognise ``samples`` with a model made by `whisper_loading.for_one_job`.

    Without any words the language is the one that was asked for: what is detected in noise means nothing.

    Raises:
        JobCancelled: when ``watch.cancelled`` said so.

    """
    found, info = _start(model, samples, options, parameters)
    languages = _Languages(model.model.heard_languages, info.language, parameters)
    reader = SegmentReader(samples)
    kept: list[Segment] = []
    for heard in found:
        language = languages.of(heard)
        segment = None if _silent(heard, parameters) else reader.read(heard, language)
        if segment is not None:
            kept.append(segment)
            watch.heard(segment.end, segment)
        if watch.cancelled():
            raise JobCancelled("The job was cancelled while it was recognised.")
    if not kept:
        return Recognition((), options.language)
    segments = ordered(kept, samples.size / SAMPLE_RATE)
    return Recognition(segments, info.language, probability(info.language_probability))


def hotwords_text(hotwords: tuple[str, ...]) -> str | None:
    """Hotwords as the engine takes them: one text, commas between."""
    return ", ".join(hotwords) or None


def _start(
    model: WhisperModel, samples: Samples, options: RecognitionOptions, parameters: WhisperParameters
) -> tuple[Iterable[Heard], TranscriptionInfo]:
    arguments: dict[str, Any] = parameters.arguments() | {
        "language": options.language,
        "task": options.task,
        "initial_prompt": options.initial_prompt or None,
        "hotwords": hotwords_text(options.hotwords),
        "word_timestamps": options.word_timestamps,
    }
    if parameters.mode == "sequential":
        found, info = model.transcribe(samples, **arguments)
        return found, info
    from faster_whisper import BatchedInferencePipeline

    clips = _clips(samples, parameters.chunk_length or WINDOW_SECONDS)
    batched = BatchedInferencePipeline(model)
    found, info = batched.transcribe(samples, vad_filter=False, clip_timestamps=clips, **arguments)
    return found, info


def _clips(samples: Samples, seconds: int) -> list[dict[str, float]] | None:
    """Where batched decoding cuts; None for what it takes whole."""
    if samples.size < seconds * SAMPLE_RATE:
        return None
    # Half a sample more, since the engine turns seconds back into samples by cutting off the fraction.
    cuts = quiet_cuts(samples, seconds)
    return [{"start": (first + 0.5) / SAMPLE_RATE, "end": (last + 0.5) / SAMPLE_RATE} for first, last in cuts]


def _silent(heard: Heard, parameters: WhisperParameters) -> bool:
    """Sequential decoding's own rule for silence, which batched decoding lacks."""
    if parameters.mode == "sequential" or parameters.no_speech_threshold is None:
        return False
    believed = parameters.log_prob_threshold is not None and heard.avg_logprob > parameters.log_prob_threshold
    return heard.no_speech_prob > parameters.no_speech_threshold and not believed


class _Languages:
    """The language of each segment: one for all, or that of its window when every window is looked at."""

    def __init__(self, noted: list[str], language: str, parameters: WhisperParameters) -> None:
        noted.clear()  # what was noted before the first window was for the piece as a whole
        self._noted = noted
        self._language = language
        self._by_window = parameters.multilingual
        self._ahead = parameters.mode == "batched"
        self._window = -1
        self._seek: int | None = None

    def of(self, heard: Heard) -> str:
        if not self._by_window:
            return self._language
        if heard.seek != self._seek:
            self._seek, self._window = heard.seek, self._window + 1
        # Batched decoding looks at several windows before it gives the first segment of them.
        return self._noted[self._window if self._ahead else -1]
