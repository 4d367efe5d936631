"""A run over a set: transcribe each recording, score it, sum up."""

from __future__ import annotations

import hashlib
import importlib
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from pipeline.evaluation.bootstrap import SEED
from pipeline.evaluation.results import Conditions, FileResult, Result, by_language, summed_up
from pipeline.evaluation.samples import EvaluationSet, Sample, languages_of
from pipeline.evaluation.scoring import failure, score
from pipeline.evaluation.words import normaliser_name
from speech.clock import now
from speech.errors import JobCancelled, SpeechError, UnexpectedError, UnsupportedOption
from speech.options import TranscribeRequest
from speech.transcript import Transcript

FROM_SET = "manifest"
"""The language that a recording is asked for in: the one that the set says it is."""
NO_ONE_LANGUAGE = frozenset({"mul", "und"})
"""Several languages, or one that is not known (ISO 639-2): the recogniser finds out."""
_LIBRARIES = {
    "jiwer": "jiwer",
    "whisper_normalizer": "whisper_normalizer.english",
    "meeteval": "meeteval.wer",
    "pyannote-metrics": "pyannote.metrics.diarization",
}


class EvaluationUnavailable(SpeechError):
    """The libraries that score are not installed."""

    code = "evaluation_unavailable"


class ScoringFailed(SpeechError):
    """A recording was transcribed, and its figures could not be worked out."""

    code = "scoring_failed"


class Transcriber(Protocol):
    """Whoever turns a recording into words: this process, or a server."""

    def __call__(self, sample: Sample, request: TranscribeRequest) -> Transcript:
        """The transcript; SpeechError, OSError when there is none."""


class Listener(Protocol):
    """Who is told of each recording that is done."""

    def __call__(self, done: int, total: int, file: FileResult, error: Exception | None) -> None:
        """``done`` of ``total`` are; ``error`` is why the last one has no transcript, or no score."""


def _nobody(done: int, total: int, file: FileResult, error: Exception | None) -> None:
    """Nobody is told."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a set is run: what is asked for, in which language (``manifest``: the recording's own), and how it is scored.

    ``collar`` in seconds on each side of a boundary.
    """

    request: TranscribeRequest = field(default_factory=TranscribeRequest)
    language: str = FROM_SET
    collar: float = 0.0
    seed: int = SEED

    def for_sample(self, sample: Sample) -> TranscribeRequest:
        """What is asked for one recording."""
        language = self.language
        if language == FROM_SET:
            language = "auto" if sample.language in NO_ONE_LANGUAGE else sample.language
        return self.request.model_copy(update={"language": language})

    @property
    def diarized(self) -> bool:
        """Whether speakers are asked for: of a diarizer, or of channels."""
        return self.request.diarization.enabled or self.request.channels == "split"


def check_installed() -> None:
    """Refuse to begin what could not be scored.

    Raises:
        EvaluationUnavailable: naming what is missing, and how to install it.

    """
    missing = [package for package, module in _LIBRARIES.items() if not _importable(module)]
    if missing:
        raise EvaluationUnavailable(
            f"Evaluation needs {', '.join(missing)}: install it with `pip install 'world-of-asr[evaluation]'`."
        )


def _importable(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


def check_plan(plan: Plan) -> None:
    """Refuse what an evaluation cannot do: inputs come from the set.

    Raises:
        UnsupportedOption: naming the field.

    """
    for name in ("file_ids", "urls"):
        if getattr(plan.request, name):
            raise UnsupportedOption(f"An evaluation takes its recordings from the set: leave out {name}.", name)
    if plan.request.task != "transcribe":
        raise UnsupportedOption("References are in the language that is spoken: task must be transcribe.", "task")


def evaluate(chosen: EvaluationSet, plan: Plan, transcribe: Transcriber, tell: Listener = _nobody) -> Result:
    """Run the set. A recording that fails is scored as one of which nothing was recognised; the others go on.

    Raises:
        EvaluationUnavailable, UnsupportedOption: before any work.
        JobCancelled: when somebody asked to stop.

    """
    check_installed()
    check_plan(plan)
    files, heard = [], []
    for done, sample in enumerate(chosen.samples, 1):
        outcome = _transcribed(sample, plan, transcribe)
        file, error = _scored(sample, plan, outcome)
        files.append(file.model_copy(update={"audio_sha256": _sha256(sample.path)}))
        heard += [outcome] if isinstance(outcome, Transcript) else []
        tell(done, len(chosen.samples), files[-1], error)
    return Result(
        made_at=now().isoformat(timespec="seconds"),
        conditions=_conditions(chosen, plan, heard),
        overall=summed_up(files, plan.seed),
        languages={language: summed_up(some, plan.seed) for language, some in by_language(files).items()},
        files=tuple(files),
    )


def _transcribed(sample: Sample, plan: Plan, transcribe: Transcriber) -> Transcript | Exception:
    try:
        return transcribe(sample, plan.for_sample(sample))
    except JobCancelled:
        raise
    except Exception as error:  # noqa: BLE001 - one recording must not end an hour of work; it is told and counted
        return error


def _scored(sample: Sample, plan: Plan, outcome: Transcript | Exception) -> tuple[FileResult, Exception | None]:
    """The figures of a recording; beside them why it has failed, if it has."""
    if isinstance(outcome, Exception):
        return _failed(sample, plan, outcome), outcome
    try:
        return score(sample, outcome, diarized=plan.diarized, collar=plan.collar), None
    except Exception as error:  # noqa: BLE001 - as above
        reason = ScoringFailed(f"It was transcribed, but could not be scored ({type(error).__name__}).")
        reason.__cause__ = error
        return _failed(sample, plan, reason), reason


def _failed(sample: Sample, plan: Plan, error: Exception) -> FileResult:
    code = error.code if isinstance(error, SpeechError) else UnexpectedError.code
    try:
        return failure(sample, code, diarized=plan.diarized, collar=plan.collar)
    except Exception:  # noqa: BLE001 - a reference that cannot be scored at all: there is its failure, and no figure
        return FileResult(key=sample.key, language=sample.language, reference_sha256=sample.digest, error=code)


def normalisers_of(chosen: EvaluationSet) -> dict[str, str]:
    """How the text of each language of the set is normalised."""
    return {language: normaliser_name(language) for language in languages_of(chosen.samples)}


def _conditions(chosen: EvaluationSet, plan: Plan, heard: Sequence[Transcript]) -> Conditions:
    return Conditions(
        set_name=chosen.name,
        set_sha256=chosen.sha256,
        request=plan.request.model_dump(mode="json", exclude_defaults=True),
        language=plan.language,
        provider=_only(heard, lambda transcript: transcript.provider) or plan.request.provider,
        model=_only(heard, lambda transcript: transcript.model),
        model_digest=_only(heard, lambda transcript: transcript.model_digest),
        program=_version("world-of-asr"),
        normalisers=normalisers_of(chosen),
        collar=plan.collar,
        seed=plan.seed,
        machine=f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        libraries={package: _version(package) for package in _LIBRARIES},
    )


def _only(heard: Sequence[Transcript], of: Callable[[Transcript], Any]) -> str | None:
    """What all transcripts say; several answers one after the other."""
    found = dict.fromkeys(str(value) for transcript in heard if (value := of(transcript)) is not None)
    return ", ".join(found) or None


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _sha256(path: Path | None) -> str | None:
    """Of the audio; None where it is no file here, or cannot be read."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
