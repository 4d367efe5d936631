"""Word times by a CTC network in a folder: a small one that hears tones, built here."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from providers.context import ProviderContext
from providers.ctc_aligner import CtcAligner
from providers.ctc_models import Letters
from providers.role import StepWatch
from speech.errors import JobCancelled, ModelUnavailable, TextMismatch
from speech.settings import Settings
from tests.providers import tones
from tests.providers.aligner_contract import promises


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tones.build(tmp_path_factory.mktemp("ctc") / "tones")


def _aligner(context: ProviderContext, folder: Path | None, **given: object) -> CtcAligner:
    settings = Settings(_env_file=None, device="cpu", ctc_model=folder, **given)  # type: ignore[call-arg,arg-type]
    return CtcAligner(replace(context, settings=settings))


def test_words_lie_where_their_letters_sound(context: ProviderContext, folder: Path) -> None:
    aligner = _aligner(context, folder)
    samples, places = tones.spoken([("hello", 0.1), ("big", 0.06), ("world", 0.2)])
    timings = aligner.align(samples, ["Hello,", "big", "world!"], "en")
    promises(timings, "abc", samples.size / 16_000)
    for timing, (start, end) in zip(timings, places, strict=True):
        assert timing.start == pytest.approx(start, abs=0.04)
        assert timing.end == pytest.approx(end, abs=0.04)
        assert (timing.confidence or 0) > 0.9


def test_numbers_are_read_aloud_and_marks_lie_between(context: ProviderContext, folder: Path) -> None:
    samples, places = tones.spoken([("paid", 0.1), ("twenty", 0.1), ("two", 0.1), ("now", 0.1)], pause=0.1)
    timings = _aligner(context, folder).align(samples, ["paid", "-", "22", "now", "\N{GRINNING FACE}"], "en")
    promises(timings, "abcde", samples.size / 16_000)
    assert timings[2].start == pytest.approx(places[1][0], abs=0.05)
    assert timings[2].end == pytest.approx(places[2][1], abs=0.05)
    assert timings[0].end <= timings[1].start <= timings[1].end <= timings[2].start
    assert timings[4].start >= timings[3].end


def test_wrong_words_have_little_confidence(context: ProviderContext, folder: Path) -> None:
    samples, _ = tones.spoken([("hello", 0.1), ("world", 0.1)])
    right, wrong = _aligner(context, folder).align(samples, ["hello", "jumpy"], "en")
    assert (right.confidence or 0) > 0.5 > 0.1 > (wrong.confidence or 0)


@pytest.mark.parametrize("words", [["hello"] * 40, ["привет", "мир"]])
def test_text_that_cannot_be_spoken_there_is_refused(context: ProviderContext, folder: Path, words: list[str]) -> None:
    samples, _ = tones.spoken([("hello", 0.1)])
    with pytest.raises(TextMismatch):
        _aligner(context, folder).align(samples, words, "en")


def test_a_cancelled_job_stops(context: ProviderContext, folder: Path) -> None:
    with pytest.raises(JobCancelled):
        _aligner(context, folder).align(
            np.zeros(16_000, dtype=np.float32), ["a"], "en", StepWatch(cancelled=lambda: True)
        )


def test_letters_of_other_makers_are_read(folder: Path, tmp_path: Path) -> None:
    names = {"|": "▁", "<pad>": "<blk>"}
    rows = "".join(f"{names.get(name, name)} {number}\n" for name, number in tones.VOCABULARY.items())
    (tmp_path / "tokens.txt").write_text(rows, encoding="utf-8")
    letters = Letters.of(tmp_path)
    assert (letters.blank, letters.space) == (0, 1)
    assert letters.spelled("Ab-c’") == [2, 3, 4]


def test_vowel_signs_are_letters_and_accents_belong_to_theirs() -> None:
    letters = Letters({letter: number for number, letter in enumerate("हिनदी्\u00e9e", 2)}, 0, 1)
    assert letters.spelled("हिन्दी।") == [2, 3, 4, 7, 5, 6]
    assert letters.spelled("e\u0301") == letters.spelled("\u00c9") == [8]


def test_what_is_missing_is_said_with_how_to_mend_it(context: ProviderContext, folder: Path, tmp_path: Path) -> None:
    assert _aligner(context, folder).availability().available
    unset = _aligner(context, None).availability()
    assert not unset.available
    assert "WOA_CTC_MODEL" in (unset.mend or "")
    for lacking in ("model.onnx", "vocab.json"):
        partial = tmp_path / lacking
        shutil.copytree(folder, partial)
        (partial / lacking).unlink()
        found = _aligner(context, partial).availability()
        assert not found.available
        assert lacking in (found.reason or "")


def test_broken_models_are_the_models_fault(context: ProviderContext, folder: Path, tmp_path: Path) -> None:
    samples, _ = tones.spoken([("hello", 0.1)])
    for name, content in (("model.onnx", b"no graph"), ("vocab.json", json.dumps({"a": 1}).encode())):
        broken = tmp_path / name
        shutil.copytree(folder, broken)
        (broken / name).write_bytes(content)
        with pytest.raises(ModelUnavailable):
            _aligner(context, broken).align(samples, ["hello"], "en")


def test_languages_and_identity_are_those_of_the_settings(context: ProviderContext, folder: Path) -> None:
    assert _aligner(context, folder).abilities.languages is None
    aligner = _aligner(context, folder, ctc_languages=["de"])
    assert aligner.abilities.languages == ("de",)
    assert aligner.digest() == aligner.digest() == aligner.identity()[-1]
