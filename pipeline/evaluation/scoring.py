"""One transcript against its reference."""

from __future__ import annotations

from dataclasses import asdict

from pipeline.evaluation.results import Edited, FileResult, Mistimed
from pipeline.evaluation.samples import Sample
from pipeline.evaluation.speakers import speaker_edits, turns_of, words_without_speaker, wrong_time
from pipeline.evaluation.words import character_edits, normalised, word_edits
from speech.diarization import Turn
from speech.transcript import Transcript

_NOTHING = Transcript("", None, None, "", 0.0, None, None, "", "", None, ())
"""What is heard of a recording that could not be transcribed."""


def score(sample: Sample, transcript: Transcript, *, diarized: bool, collar: float) -> FileResult:
    """What is right and wrong; DER and cpWER only where speakers were asked for (``diarized``) and are known."""
    reference, hypothesis = _texts(sample, transcript.text)
    scored = reference is not None
    return FileResult(
        key=sample.key,
        language=sample.language,
        reference_sha256=sample.digest,
        seconds=transcript.duration,
        stages=dict(transcript.stages),
        words=_edited(word_edits(reference, hypothesis)) if reference is not None else None,
        characters=_edited(character_edits(reference, hypothesis)) if reference is not None else None,
        **(_by_speaker(sample, transcript, collar) if diarized else {}),
        reference=reference,
        hypothesis=hypothesis if scored else None,
    )


def _by_speaker(sample: Sample, transcript: Transcript, collar: float) -> dict[str, object]:
    turns = _reference_turns(sample)
    found: dict[str, object] = {"words_without_speaker": words_without_speaker(transcript)}
    if turns is not None:
        hypothesis = turns_of(transcript)
        time = wrong_time(turns, hypothesis, transcript.duration, collar)
        found["diarization"] = Mistimed(**asdict(time))
        found["speakers"] = len({turn.speaker for turn in turns})
        found["speakers_found"] = len({turn.speaker for turn in hypothesis})
    if sample.said is not None:
        found["speaker_words"] = _edited(speaker_edits(sample.said, transcript, sample.language))
    return found


def failure(sample: Sample, code: str, *, diarized: bool, collar: float) -> FileResult:
    """The result of a recording that could not be transcribed: all that was said in it is missed."""
    return score(sample, _NOTHING, diarized=diarized, collar=collar).model_copy(update={"error": code})


def _texts(sample: Sample, text: str) -> tuple[str | None, str]:
    reference = None if sample.text is None else normalised(sample.text, sample.language)
    return reference, normalised(text, sample.language)


def _reference_turns(sample: Sample) -> tuple[Turn, ...] | None:
    """Who speaks when: as the set says, or else by who says what."""
    if sample.turns is not None or sample.said is None:
        return sample.turns
    return tuple(Turn(each.start, each.end, each.speaker) for each in sample.said)


def _edited(edits: object) -> Edited:
    return Edited.model_validate(edits, from_attributes=True)
