"""A run over a set: whatever happens to one recording, the others keep their figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.evaluation import run
from pipeline.evaluation.bootstrap import Amounts
from pipeline.evaluation.results import FileResult
from pipeline.evaluation.run import Plan, evaluate
from pipeline.evaluation.samples import EvaluationSet, Sample
from pipeline.evaluation.scoring import score
from speech.options import TranscribeRequest
from speech.transcript import Segment, Transcript


def heard(sample: Sample, request: TranscribeRequest) -> Transcript:
    return Transcript("t", None, None, "a", 3.0, "en", 1.0, "fake", "m", None, (Segment(0, 1, "so it goes"),))


def a_set(*samples: Sample) -> EvaluationSet:
    return EvaluationSet("set", "0", samples)


@pytest.mark.parametrize("also", [(), ("failure",)])
def test_what_cannot_be_scored_is_told_and_ends_nothing(also: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    right = score

    def broken(sample: Sample, *given: object, **more: object) -> FileResult:
        if sample.sample_id == "b":
            raise RuntimeError("Are you sure?")
        return right(sample, *given, **more)  # type: ignore[arg-type]

    for name in ("score", *also):
        monkeypatch.setattr(run, name, broken)
    told: list[Exception | None] = []
    chosen = a_set(*(Sample(each, "en", text="so it goes") for each in "abc"))
    result = evaluate(chosen, Plan(), heard, lambda done, total, file, error: told.append(error))
    assert [file.error for file in result.files] == [None, "scoring_failed", None]
    assert str(told[1]) == "It was transcribed, but could not be scored (RuntimeError)."
    assert (told[0], told[2]) == (None, None)
    assert (result.overall.files, result.overall.failed) == (3, 1)
    missed = result.files[1].words
    assert (missed is None) if also else (missed is not None and missed.amounts == Amounts(3, 3))


def test_audio_that_cannot_be_read_ends_nothing(tmp_path: Path) -> None:
    chosen = a_set(Sample("a", "en", path=tmp_path / "gone.wav", text="so it goes"))
    (file,) = evaluate(chosen, Plan(), heard).files
    assert file.audio_sha256 is None
    assert file.words is not None
