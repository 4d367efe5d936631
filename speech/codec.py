"""A transcript as the contract's ``json`` result, and back; so is what was recognised of one piece.

The order of keys is the contract's. ``text`` and the segments' ``id`` are derived: they are written for readers
and not read back.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any, TypeVar

from speech.diarization import Turn
from speech.transcript import Quality, Recognition, Segment, Speaker, Transcript, Usage, Word

T = TypeVar("T")

Document = dict[str, Any]
"""A JSON object."""


def to_json(transcript: Transcript) -> Document:
    """The transcript as a JSON object; what is not known, or is no finite number, is null."""
    return {
        "transcript_id": transcript.transcript_id,
        "job_id": transcript.job_id,
        "file_id": transcript.file_id,
        "filename": transcript.filename,
        "duration": transcript.duration,
        "language": transcript.language,
        "language_probability": _finite(transcript.language_probability),
        "provider": transcript.provider,
        "model": transcript.model,
        "model_digest": transcript.model_digest,
        "text": transcript.text,
        "segments": segments_to_json(transcript.segments),
        "speakers": [
            {
                "label": speaker.label,
                "name": speaker.name,
                "talk_time": speaker.talk_time,
                "score": _finite(speaker.score),
            }
            for speaker in transcript.speakers
        ],
        "turns": [{"start": turn.start, "end": turn.end, "speaker": turn.speaker} for turn in transcript.turns],
        "quality": {
            "speech_ratio": _finite(transcript.quality.speech_ratio),
            "snr_db": _finite(transcript.quality.snr_db),
            "clipping": _finite(transcript.quality.clipping),
        },
        "usage": {"audio_seconds": transcript.usage.audio_seconds, "cost_usd": transcript.usage.cost_usd},
        "stages": dict(transcript.stages),
        "warnings": list(transcript.warnings),
    }


def segments_to_json(segments: Sequence[Segment]) -> list[Document]:
    """Segments as JSON objects; ``id`` is their place among these."""
    return [_from_segment(number, segment) for number, segment in enumerate(segments)]


def from_json(document: Document) -> Transcript:
    """The transcript that `to_json` wrote. Keys that it does not know are passed over.

    Raises:
        ValueError: when the object is no transcript: a key is missing, or a value is of another kind.

    """
    try:
        return _to_transcript(document)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        # The error's own words could hold text of the recording.
        raise ValueError(f"This JSON object is not a transcript ({type(error).__name__}).") from None


def recognition_to_json(recognition: Recognition) -> Document:
    """What was recognised of one piece of audio, as a JSON object."""
    return {
        "language": recognition.language,
        "language_probability": _finite(recognition.language_probability),
        "segments": segments_to_json(recognition.segments),
    }


def recognition_from_json(document: Document) -> Recognition:
    """The recognition that `recognition_to_json` wrote.

    Raises:
        ValueError: when the object is none.

    """
    try:
        return Recognition(
            segments=tuple(_to_segment(part) for part in document["segments"]),
            language=_optional(document["language"], str),
            language_probability=_number(document["language_probability"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"This JSON object is not a recognition ({type(error).__name__}).") from None


def _from_segment(number: int, segment: Segment) -> Document:
    return {
        "id": number,
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "language": segment.language,
        "speaker": segment.speaker,
        "channel": segment.channel,
        "confidence": _finite(segment.confidence),
        "words": [_from_word(word) for word in segment.words],
    }


def _from_word(word: Word) -> Document:
    return {
        "start": word.start,
        "end": word.end,
        "text": word.text,
        "space_before": word.space_before,
        "confidence": _finite(word.confidence),
        "speaker": word.speaker,
    }


def _finite(number: float | None) -> float | None:
    return float(number) if number is not None and isfinite(number) else None


def _to_transcript(document: Document) -> Transcript:
    quality, usage = document["quality"], document["usage"]
    return Transcript(
        transcript_id=_text(document["transcript_id"]),
        job_id=_optional(document["job_id"], str),
        file_id=_optional(document["file_id"], str),
        filename=_text(document["filename"]),
        duration=float(document["duration"]),
        language=_optional(document["language"], str),
        language_probability=_number(document["language_probability"]),
        provider=_text(document["provider"]),
        model=_text(document["model"]),
        model_digest=_optional(document["model_digest"], str),
        segments=tuple(_to_segment(part) for part in document["segments"]),
        speakers=tuple(_to_speaker(part) for part in document["speakers"]),
        # Transcripts of older versions have none.
        turns=tuple(_to_turn(part) for part in document.get("turns", ())),
        quality=Quality(
            speech_ratio=_number(quality["speech_ratio"]),
            snr_db=_number(quality["snr_db"]),
            clipping=_number(quality["clipping"]),
        ),
        usage=Usage(audio_seconds=float(usage["audio_seconds"]), cost_usd=float(usage["cost_usd"])),
        stages={_text(stage): float(seconds) for stage, seconds in document["stages"].items()},
        warnings=tuple(_text(warning) for warning in document["warnings"]),
    )


def _to_segment(document: Document) -> Segment:
    return Segment(
        start=float(document["start"]),
        end=float(document["end"]),
        text=_text(document["text"]),
        words=tuple(_to_word(part) for part in document["words"]),
        language=_optional(document["language"], str),
        speaker=_optional(document["speaker"], str),
        channel=_optional(document["channel"], int),
        confidence=_number(document["confidence"]),
    )


def _to_word(document: Document) -> Word:
    return Word(
        start=float(document["start"]),
        end=float(document["end"]),
        text=_text(document["text"]),
        space_before=bool(document["space_before"]),
        confidence=_number(document["confidence"]),
        speaker=_optional(document["speaker"], str),
    )


def _to_turn(document: Document) -> Turn:
    return Turn(float(document["start"]), float(document["end"]), _text(document["speaker"]))


def _to_speaker(document: Document) -> Speaker:
    return Speaker(
        label=_text(document["label"]),
        name=_optional(document["name"], str),
        talk_time=float(document["talk_time"]),
        score=_number(document.get("score")),  # transcripts of before have none
    )


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _text(value: object) -> str:
    return _of(value, str)


def _optional(value: object, kind: type[T]) -> T | None:
    return None if value is None else _of(value, kind)


def _of(value: object, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise TypeError(kind.__name__)
    return value
