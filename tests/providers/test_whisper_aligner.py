"""Word times from Whisper's attention, on real weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.engine import Engine
from providers.aligner import Aligner
from providers.context import ProviderContext
from providers.faster_whisper import FasterWhisper
from providers.whisper_aligner import WhisperAligner
from speech.errors import TextMismatch
from speech.options import TranscribeRequest
from speech.settings import Settings
from tests.conftest import Clip
from tests.providers.aligner_contract import AlignerContract, promises, start_errors
from tests.providers.conftest import Decode
from tests.speaking import espeak_or_skip
from weights.store import WeightStore

pytestmark = pytest.mark.models


@pytest.fixture
def whisper_aligner(context: ProviderContext) -> WhisperAligner:
    return WhisperAligner(context)


class TestWhisperKeepsTheContract(AlignerContract):
    @pytest.fixture
    def aligner(self, whisper_aligner: WhisperAligner) -> Aligner:
        return whisper_aligner


FOREIGN = {
    "de": "Der Zug nach Hamburg hatte zwanzig Minuten Verspätung, und niemand wusste warum.",
    "es": "Mi abuela preparaba cada domingo una comida enorme, y toda la familia cantaba después.",
    "ru": "Вчера вечером мы долго сидели около окна, пили чай и вспоминали старые времена.",
}


def test_other_languages_are_as_exact(whisper_aligner: WhisperAligner) -> None:
    errors = []
    for language, text in FOREIGN.items():
        speech = espeak_or_skip().say(text, language, 150)
        errors += start_errors(
            speech, whisper_aligner.align(speech.samples, [word.text for word in speech.words], language)
        )
    assert np.median(errors) <= 0.04
    assert np.mean(np.asarray(errors) <= 0.12) >= 0.93


def test_words_of_a_script_without_spaces_are_placed_one_by_one(whisper_aligner: WhisperAligner) -> None:
    speech = espeak_or_skip().say("你好 世界", "cmn", 120)
    words = ["你", "好", "世", "界"]
    timings = whisper_aligner.align(speech.samples, words, "zh")
    promises(timings, words, speech.duration)
    assert all(timing.end > timing.start for timing in timings)


def test_text_of_a_clip_is_placed_and_that_of_another_refused(
    whisper_aligner: WhisperAligner, clips: list[Clip], decode: Decode
) -> None:
    for language in ("en", "fr", "ru"):
        clip = next(one for one in clips if one.language == language)
        words = clip.text.split()
        timings = whisper_aligner.align(decode(clip.path), words, language)
        promises(timings, words, clip.duration + 0.1)
        assert np.mean([timing.confidence or 0 for timing in timings]) > 0.5
        foreign = next(one for one in clips if one.language == "it").text.split()
        with pytest.raises(TextMismatch):
            whisper_aligner.align(decode(clip.path), foreign, language)


def test_more_text_than_can_be_spoken_is_refused(whisper_aligner: WhisperAligner, jfk: Path, decode: Decode) -> None:
    with pytest.raises(TextMismatch):
        whisper_aligner.align(decode(jfk)[:16_000], ["antidisestablishmentarianism"] * 80, "en")


def test_the_recogniser_and_the_aligner_share_one_copy_of_the_model(
    context: ProviderContext, short: Clip, decode: Decode
) -> None:
    engine = Engine.from_settings(context.settings)
    own = replace(context, engine=engine)
    recogniser, aligner = FasterWhisper(own), WhisperAligner(own)
    recogniser.recognise(decode(short.path), recogniser.check(TranscribeRequest(model="base", language="en")))
    aligner.align(decode(short.path), short.text.split(), "en")
    assert engine.stats().pool.loads == 1
    engine.close()


def test_a_tiny_default_does_not_align_but_a_model_that_is_named_does(context: ProviderContext, tmp_path: Path) -> None:
    def model_of(**given: str) -> str:
        settings = Settings(_env_file=None, data_dir=tmp_path, device="cpu", **given)  # type: ignore[call-arg,arg-type]
        return WhisperAligner(replace(context, settings=settings)).model

    assert model_of(default_model="tiny.en") == "base"
    assert model_of(default_model="small") == "small"
    assert model_of(default_model="small", alignment_model="base") == "base"


def test_a_model_that_is_not_there_is_said_before_any_work(context: ProviderContext, tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, device="cpu", alignment_model="nonesuch")  # type: ignore[call-arg]
    found = WhisperAligner(
        replace(context, settings=settings, weights=WeightStore(tmp_path, offline=True))
    ).availability()
    assert not found.available
    assert "WOA_ALIGNMENT_MODEL" in (found.mend or "")
