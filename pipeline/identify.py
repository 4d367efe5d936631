"""Names for the voices of a recording: who of the enrolled speakers each of them is, if anybody.

A voice and a speaker are compared by the cosine of the angle between the voice's vector and the mean of the speaker's
takes (the usual scoring of speaker verification, for instance in Snyder et al., X-vectors, ICASSP 2018). A threshold
below which nobody is named is calibrated on real voices: docs/speakers.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.runtime import Runtime
from providers.diarizer import VoiceModel
from speech.diarization import Voice
from speech.errors import SpeechError
from speech.transcript import Speaker
from storage.takes import EnrolledVoice

LEAST_SECONDS = 1.0
"""Of a voice that is given a name: what was heard for less says too little."""


JUST_AS_WELL = 0.05
"""Difference of two scores of a voice that says nothing about which of two people it is."""


class VoicesStale(SpeechError):
    """Nobody is known by the model that compares now: takes of another model say nothing to it."""

    code = "voices_stale"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a voice is; ``score`` is the cosine, in [-1, 1], by which they were known."""

    speaker_id: str
    name: str
    score: float


def identify(voices: Sequence[Voice], enrolled: Sequence[EnrolledVoice], threshold: float) -> dict[str, Identity]:
    """Who the voices are, by their labels; those who are nobody that is known are left out.

    The surest pair of all comes first, and each label and each speaker is in one pair at most: what a better match
    has taken is not given to a worse one. Whom a voice is most like may be taken since one voice was taken for two:
    then it gets no name, unless somebody else is like it just as well.

    Args:
        voices: of one recording, their vectors of the same model as the takes; of any length but zero.
        enrolled: the speakers of one owner.
        threshold: the smallest score that makes a name.

    """
    heard = [voice for voice in voices if voice.seconds >= LEAST_SECONDS]
    if not heard or not enrolled:
        return {}
    scores = _scores(heard, enrolled)
    best = scores.max(axis=1)
    found: dict[str, Identity] = {}
    for flat in np.argsort(-scores, axis=None, kind="stable").tolist():
        row, column = divmod(flat, len(enrolled))
        voice, speaker, score = heard[row], enrolled[column], round(float(scores[row, column]), 3)
        if not score >= threshold:
            break
        taken = any(identity.speaker_id == speaker.speaker_id for identity in found.values())
        as_well = scores[row, column] >= best[row] - JUST_AS_WELL
        if voice.speaker not in found and not taken and as_well:
            found[voice.speaker] = Identity(speaker.speaker_id, speaker.name, score)
    return found


def _scores(voices: Sequence[Voice], enrolled: Sequence[EnrolledVoice]) -> NDArray[np.float64]:
    """Cosines, shape (voices, speakers); what cannot be compared is like nothing."""
    spoken = np.stack([_unit(voice.embedding) for voice in voices])
    known = np.stack([_unit(np.mean([_unit(take) for take in one.vectors], axis=0)) for one in enrolled])
    return np.nan_to_num(spoken @ known.T, nan=-1.0)


def _unit(vector: Iterable[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    values = np.asarray(vector if isinstance(vector, np.ndarray) else tuple(vector), dtype=np.float64)
    return values / max(float(np.linalg.norm(values)), 1e-12)


def space_of(model: VoiceModel) -> str:
    """What vectors have to have in common to be compared: the model, its weights, and how we call it."""
    return f"{model.name}/{model.version}/{model.digest()}"


def identify_for(runtime: Runtime, owner_id: str, model: VoiceModel, voices: Sequence[Voice]) -> dict[str, Identity]:
    """The same, of the speakers that the owner has enrolled. ``model`` is the one that the voices' vectors are of.

    Raises:
        VoicesStale: when speakers are enrolled, and all of them by another model.

    """
    space = space_of(model)
    runtime.wait(runtime.store.takes.use(space))
    enrolled = runtime.wait(runtime.store.takes.voices(owner_id, space))
    if not enrolled and runtime.wait(runtime.store.takes.anybody(owner_id, current=False)):
        raise VoicesStale(
            "diarization.identify: the model of voices has changed since the speakers were enrolled; enrol them anew "
            "(POST /speakers/{speaker_id}/takes), or leave it out."
        )
    return identify(voices, enrolled, runtime.settings.identify_threshold)


def named(speakers: Sequence[Speaker], identities: Mapping[str, Identity]) -> tuple[Speaker, ...]:
    """The speakers of a transcript with the names that were found."""
    return tuple(
        replace(speaker, name=found.name, score=found.score) if (found := identities.get(speaker.label)) else speaker
        for speaker in speakers
    )
