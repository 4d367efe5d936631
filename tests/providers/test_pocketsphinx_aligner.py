"""English word times from hidden Markov models, with the models inside the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from providers import pocketsphinx_aligner
from providers.aligner import Aligner
from providers.context import ProviderContext
from providers.pocketsphinx_aligner import PocketsphinxAligner
from providers.whisper_aligner import WhisperAligner
from speech.errors import TextMismatch
from tests.conftest import Clip
from tests.providers.aligner_contract import AlignerContract, promises
from tests.providers.conftest import Decode
from tests.speaking import espeak_or_skip

pytestmark = pytest.mark.models


@pytest.fixture
def sphinx(context: ProviderContext) -> PocketsphinxAligner:
    return PocketsphinxAligner(context)


class TestPocketsphinxKeepsTheContract(AlignerContract):
    median = 0.03

    @pytest.fixture
    def aligner(self, sphinx: PocketsphinxAligner) -> Aligner:
        return sphinx


def test_words_that_no_dictionary_has_are_found_all_the_same(sphinx: PocketsphinxAligner) -> None:
    speech = espeak_or_skip().say("Doctor Zhukowskyi paid for the USB Fluxwarbler on the 3rd of May")
    words = [word.text for word in speech.words]
    found = dict(zip(words, sphinx.align(speech.samples, words, "en"), strict=True))
    for word in speech.words:
        if word.text in ("Zhukowskyi", "USB", "Fluxwarbler", "3rd"):
            assert found[word.text].start == pytest.approx(word.start, abs=0.1)


def test_words_of_other_scripts_stand_for_any_speech(sphinx: PocketsphinxAligner) -> None:
    speech = espeak_or_skip().say("hello my good friend")
    promises(sphinx.align(speech.samples, ["hello", "мой", "good", "日本"], "en"), "abcd", speech.duration)


def test_the_outcome_does_not_depend_on_what_was_aligned_before(
    sphinx: PocketsphinxAligner, english: list[Clip], decode: Decode
) -> None:
    one, other = english[0], english[1]
    alone = sphinx.align(decode(one.path), one.text.split(), "en")
    sphinx.align(decode(other.path) * np.float32(0.1), other.text.split(), "en")
    assert sphinx.align(decode(one.path), one.text.split(), "en") == alone


def test_two_aligners_agree_on_real_speech(
    sphinx: PocketsphinxAligner, context: ProviderContext, english: list[Clip], decode: Decode
) -> None:
    whisper = WhisperAligner(context)
    apart = []
    for clip in english:
        words = clip.text.split()
        pairs = zip(
            sphinx.align(decode(clip.path), words, "en"), whisper.align(decode(clip.path), words, "en"), strict=True
        )
        apart += [abs(left.start - right.start) for left, right in pairs]
    assert np.median(apart) <= 0.05
    assert np.percentile(apart, 90) <= 0.2


def test_much_text_on_little_audio_is_a_mismatch(sphinx: PocketsphinxAligner, jfk: Path, decode: Decode) -> None:
    with pytest.raises(TextMismatch):
        sphinx.align(decode(jfk)[:16_000], ["extraordinary", "circumstances"] * 20, "en")


def test_a_missing_package_is_said_with_the_extra_that_brings_it(
    sphinx: PocketsphinxAligner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pocketsphinx_aligner, "find_spec", lambda name: None)
    found = sphinx.availability()
    assert not found.available
    assert "alignment" in (found.mend or "")
