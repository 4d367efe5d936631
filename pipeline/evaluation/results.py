"""The result of an evaluation, as it is kept on disk: what was asked, what came out, file by file, with intervals.

The file holds transcripts and references: it is as private as the recordings are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.evaluation.bootstrap import CONFIDENCE, RESAMPLES, Amounts, rate, rate_interval
from speech.errors import SpeechError


class ResultRefused(SpeechError):
    """A file that is no result of an evaluation, or one that cannot be used here."""

    code = "result_refused"


class Kept(BaseModel):
    """Read from disk, so checked; a key that is not known is an error, since it would be lost silently."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Edited(Kept):
    """Substitutions, deletions and insertions against a reference of ``length`` words or characters."""

    substitutions: int
    deletions: int
    insertions: int
    length: int

    @property
    def amounts(self) -> Amounts:
        """For a rate."""
        return Amounts(self.substitutions + self.deletions + self.insertions, self.length)


class Mistimed(Kept):
    """Seconds of speech, and how many of them were missed, made up, or given to somebody else."""

    total: float
    missed: float
    false_alarm: float
    confusion: float

    @property
    def amounts(self) -> Amounts:
        """For a rate."""
        return Amounts(self.missed + self.false_alarm + self.confusion, self.total)


class FileResult(Kept):
    """One recording. What was not asked for, or has no reference, is None; a recording that failed has an ``error``
    (its code) and counts as if nothing had been recognised."""

    key: str
    language: str
    reference_sha256: str
    audio_sha256: str | None = None
    error: str | None = None
    seconds: float = 0.0
    stages: dict[str, float] = {}
    words: Edited | None = None
    characters: Edited | None = None
    diarization: Mistimed | None = None
    speaker_words: Edited | None = None
    words_without_speaker: int | None = None
    speakers: int | None = None
    speakers_found: int | None = None
    reference: str | None = None
    hypothesis: str | None = None

    @property
    def work(self) -> float:
        """Seconds of work, all stages together."""
        return sum(self.stages.values())


class Conditions(Kept):
    """What the figures depend on besides the audio."""

    set_name: str
    set_sha256: str
    request: dict[str, Any]
    language: str
    provider: str | None = None
    model: str | None = None
    model_digest: str | None = None
    program: str
    normalisers: dict[str, str]
    collar: float
    seed: int
    machine: str
    libraries: dict[str, str] = {}


class Estimate(Kept):
    """A rate over some recordings: errors over units; where the 95 % interval lies, if there are two at least."""

    value: float | None
    low: float | None
    high: float | None
    errors: float
    units: float
    files: int


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that is measured as errors over units: less is better."""

    name: str
    title: str
    meaning: str
    unit: Literal["percent", "ratio"]
    of: Callable[[FileResult], Amounts | None]
    gates: bool = True
    """Whether a run that is worse by it is a worse run; speed also depends on the machine and who else uses it."""


def _amounts(part: Edited | Mistimed | None) -> Amounts | None:
    return None if part is None else part.amounts


MEASURES = (
    Measure("wer", "WER", "Words that are wrong, missing or too many.", "percent", lambda file: _amounts(file.words)),
    Measure("cer", "CER", "The same of characters.", "percent", lambda file: _amounts(file.characters)),
    Measure(
        "der",
        "DER",
        "Seconds of speech that are missed, made up, or given to the wrong speaker.",
        "percent",
        lambda file: _amounts(file.diarization),
    ),
    Measure(
        "cpwer",
        "cpWER",
        "Words that are wrong, missing, too many, or with the wrong speaker.",
        "percent",
        lambda file: _amounts(file.speaker_words),
    ),
    Measure(
        "rtf",
        "RTF",
        "Seconds of work for a second of audio.",
        "ratio",
        lambda file: Amounts(file.work, file.seconds) if file.seconds and file.stages else None,
        gates=False,
    ),
)


class Summary(Kept):
    """Figures over some recordings, by the name of the measure; ``stages`` are real-time factors of each stage."""

    files: int
    failed: int
    seconds: float
    figures: dict[str, Estimate]
    stages: dict[str, float]
    words_without_speaker: int | None = None
    words_where_none_were_said: int = 0


class Result(Kept):
    """A whole run."""

    version: Literal[1] = 1
    made_at: str
    conditions: Conditions
    overall: Summary
    languages: dict[str, Summary]
    files: tuple[FileResult, ...]


def summed_up(files: Sequence[FileResult], seed: int) -> Summary:
    """The figures of some recordings together."""
    seconds = sum(file.seconds for file in files)
    without = [file.words_without_speaker for file in files if file.words_without_speaker is not None]
    figures = {measure.name: _estimate(measure, files, seed) for measure in MEASURES}
    silent = [file.words for file in files if file.words is not None and not file.words.length]
    return Summary(
        files=len(files),
        failed=sum(file.error is not None for file in files),
        seconds=round(seconds, 3),
        figures={name: estimate for name, estimate in figures.items() if estimate is not None},
        stages=_stages(files),
        words_without_speaker=sum(without) if without else None,
        words_where_none_were_said=sum(edits.insertions for edits in silent),
    )


def _estimate(measure: Measure, files: Iterable[FileResult], seed: int) -> Estimate | None:
    amounts = [found for file in files if (found := measure.of(file)) is not None]
    if not amounts:
        return None
    interval = rate_interval(amounts, seed)
    return Estimate(
        value=rate(amounts),
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        errors=sum(each.errors for each in amounts),
        units=sum(each.units for each in amounts),
        files=len(amounts),
    )


def _stages(files: Iterable[FileResult]) -> dict[str, float]:
    timed = [file for file in files if file.seconds and file.stages]
    seconds = sum(file.seconds for file in timed)
    names = dict.fromkeys(name for file in timed for name in file.stages)
    return {name: round(sum(file.stages.get(name, 0.0) for file in timed) / seconds, 4) for name in names}


def by_language(files: Iterable[FileResult]) -> Mapping[str, list[FileResult]]:
    """The recordings of each language, languages in order."""
    groups: dict[str, list[FileResult]] = {}
    for file in files:
        groups.setdefault(file.language, []).append(file)
    return dict(sorted(groups.items()))


def how_measured(conditions: Conditions) -> str:
    """What stands below figures that are to be read by others."""
    normalisers = ", ".join(sorted(set(conditions.normalisers.values())))
    return (
        f"Intervals: {100 * CONFIDENCE:g} %, {RESAMPLES} resamples of utterances, seed {conditions.seed}. "
        f"Text normalised by {normalisers or 'nobody'}. "
        f"DER with overlaps, {conditions.collar:g} s left out on each side of a boundary."
    )


def read_result(path: Path) -> Result:
    """A result that was kept.

    Raises:
        ResultRefused: when it cannot be read or is none.

    """
    try:
        return Result.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ResultRefused(f"{path} cannot be read: {error.strerror or type(error).__name__}.") from None
    except ValidationError:
        raise ResultRefused(f"{path} is no result of `woa evaluate` that this version can read.") from None


def write_result(result: Result, path: Path) -> None:
    """Keep it; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")
    part.replace(path)
