"""The scripted recogniser keeps the contract, and its script."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from audio.samples import SAMPLE_RATE, Samples
from providers.base import Availability, Watch
from providers.fake import PROVIDER_ERRORS, Fake, Script
from speech.errors import JobCancelled, ModelUnavailable, ProviderTimeout, RateLimited
from speech.options import TranscribeRequest
from speech.transcript import Recognition
from tests.providers.conftest import PATIENCE
from tests.providers.contract import RecogniserContract, promises

TEN_SECONDS: Samples = np.full(10 * SAMPLE_RATE, 0.1, np.float32)


class TestFakeKeepsTheContract(RecogniserContract):
    @pytest.fixture
    def recogniser(self) -> Fake:
        return Fake()


def _say(fake: Fake, samples: Samples = TEN_SECONDS, watch: Watch | None = None, **parameters: object) -> Recognition:
    return fake.recognise(samples, fake.check(TranscribeRequest(provider="fake", parameters=parameters)), watch)


def test_it_says_the_same_words_every_time() -> None:
    found = _say(Fake(), words=["Hello,", "world."], words_per_second=1)
    assert " ".join(segment.text for segment in found.segments) == " ".join(["Hello, world."] * 5)
    assert found == _say(Fake(), words=["Hello,", "world."], words_per_second=1)
    promises(found, 10)


@pytest.mark.parametrize("code", sorted(PROVIDER_ERRORS))
def test_it_fails_as_asked_and_then_works(code: str) -> None:
    fake = Fake()
    for _ in range(2):
        with pytest.raises(PROVIDER_ERRORS[code]) as caught:
            _say(fake, fail=code, fail_times=2)
        assert (caught.value.code, caught.value.provider) == (code, "fake")
        assert (caught.value.retry_after is not None) == (code == "rate_limited")
    assert _say(fake, fail=code, fail_times=2).segments
    assert fake.recognitions == 3


def test_it_fails_with_errors_that_are_no_provider_s() -> None:
    with pytest.raises(ModelUnavailable):
        _say(Fake(), fail="model_unavailable")
    with pytest.raises(ArithmeticError):
        _say(Fake(), fail="bug")


def test_it_fails_as_its_script_says() -> None:
    fake = Fake(script=Script(failures=(RateLimited("Later.", "fake", 1.0), ProviderTimeout("Late.", "fake"))))
    with pytest.raises(RateLimited):
        _say(fake)
    with pytest.raises(ProviderTimeout):
        _say(fake)
    assert _say(fake).segments


def test_it_is_as_available_as_its_script_says() -> None:
    absent = Availability(False, "It is away.", "Wait.")
    assert Fake(script=Script(availability=absent)).availability() == absent


@pytest.mark.parametrize("parameters", [{"hang": True}, {"delay": 600}])
def test_it_hangs_until_it_is_cancelled(parameters: dict[str, object]) -> None:
    cancelled, asked = threading.Event(), threading.Event()

    def gone() -> bool:
        asked.set()
        return cancelled.is_set()

    with ThreadPoolExecutor(1) as threads:
        hanging = threads.submit(lambda: _say(Fake(), watch=Watch(cancelled=gone), **parameters))
        assert asked.wait(PATIENCE)
        assert not hanging.done()
        cancelled.set()
        with pytest.raises(JobCancelled):
            hanging.result(PATIENCE)


def test_audio_shorter_than_a_word_has_none() -> None:
    assert _say(Fake(), TEN_SECONDS[: SAMPLE_RATE // 10]).segments == ()
