"""What every provider keeps. A test class inherits from `RecogniserContract` and gives its recogniser and its request.

A provider that declares an ability shows it here; one that does not declare it refuses it.
"""

from __future__ import annotations

import json
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np
import pytest

from audio.samples import SAMPLE_RATE, Samples
from providers.base import Capabilities, Recogniser, RecognitionOptions, Watch
from speech.errors import JobCancelled, ModelNotFound, ProviderError, SpeechError, UnsupportedOption
from speech.options import TranscribeRequest
from speech.transcript import Recognition, Segment, joined
from tests.conftest import Clip
from tests.providers.conftest import PATIENCE, Decode
from tests.providers.scoring import word_error_rate

ASKED: dict[str, dict[str, Any]] = {
    "detects_language": {"language": "auto"},
    "translates_to_english": {"task": "translate"},
    "word_timestamps": {"word_timestamps": True},
    "initial_prompt": {"initial_prompt": "A letter."},
    "hotwords": {"hotwords": ["Dashwood"]},
}
"""What in a request asks for an ability."""


def promises(found: Recognition, duration: float) -> None:
    """Fail unless a recognition is as the contract says."""
    before = 0.0
    for segment in found.segments:
        assert before <= segment.start <= segment.end <= duration
        assert segment.text == segment.text.strip() != ""
        assert type(segment.start) is type(segment.end) is float
        _probability(segment.confidence)
        if segment.words:
            assert segment.text == joined(segment.words)
        at = segment.start
        for number, word in enumerate(segment.words):
            assert at <= word.start <= word.end <= segment.end
            assert word.text == word.text.strip() != ""
            assert number or not word.space_before
            assert type(word.start) is type(word.end) is float
            _probability(word.confidence)
            at = word.end
        before = segment.end
    _probability(found.language_probability)
    json.dumps([found.language, found.language_probability])


def _probability(value: float | None) -> None:
    assert value is None or (type(value) is float and 0 <= value <= 1)


class RecogniserContract:
    """The suite. ``base_request`` is what a request to this provider holds at least."""

    base_request: ClassVar[dict[str, Any]] = {}
    language: ClassVar[str] = "en"
    wer_limit: ClassVar[float | None] = None

    @pytest.fixture
    def recogniser(self) -> Recogniser:
        """The provider under test."""
        raise NotImplementedError

    @pytest.fixture
    def speech(self, short: Clip, decode: Decode) -> Samples:
        """A few seconds of English."""
        return decode(short.path)

    def request(self, **values: Any) -> TranscribeRequest:
        """A request to this provider."""
        return TranscribeRequest.model_validate({"language": self.language, **self.base_request, **values})

    def options(self, recogniser: Recogniser, **values: Any) -> RecognitionOptions:
        """Checked options."""
        return recogniser.check(self.request(provider=recogniser.name, **values))

    # What it says of itself

    def test_it_says_who_it_is(self, recogniser: Recogniser) -> None:
        assert TranscribeRequest(provider=recogniser.name).provider == recogniser.name
        assert recogniser.title
        assert recogniser.version
        assert isinstance(recogniser.engine_version(), str)
        assert recogniser.capabilities.languages

    def test_it_is_available_or_says_why_not_and_how_to_mend_it(self, recogniser: Recogniser) -> None:
        state = recogniser.availability()
        assert state.available or (state.reason and state.mend)

    def test_its_default_model_is_one_of_its_models(self, recogniser: Recogniser) -> None:
        models = recogniser.models()
        assert [model.name for model in models if model.default] == [recogniser.default_model()]
        assert len({model.name for model in models}) == len(models)
        for model in models:
            assert set(model.languages) <= set(recogniser.capabilities.languages)

    def test_its_options_are_described(self, recogniser: Recogniser) -> None:
        schema = recogniser.parameters_model.model_json_schema()
        json.dumps(schema)
        assert schema["additionalProperties"] is False
        for name, option in schema.get("properties", {}).items():
            assert option.get("description"), name
            assert option["default"] == recogniser.parameters_model().model_dump()[name]

    def test_weights_have_a_digest_that_stays(self, recogniser: Recogniser) -> None:
        model = self.options(recogniser).model
        assert recogniser.digest(model) == recogniser.digest(model) != ""

    # What it takes and refuses

    @pytest.mark.parametrize("ability", sorted(ASKED))
    def test_an_ability_is_shown_or_refused(self, recogniser: Recogniser, ability: str) -> None:
        asked = ASKED[ability]
        refused = self._refusal(recogniser, asked)
        if refused is not None:
            assert refused.field in asked
        # a model may be able to do less than its provider, and says so
        assert (refused is None or "model" in refused.message) == getattr(recogniser.capabilities, ability)

    def _refusal(self, recogniser: Recogniser, asked: dict[str, Any]) -> UnsupportedOption | None:
        try:
            self.options(recogniser, **asked)
        except UnsupportedOption as refused:
            return refused
        return None

    def test_every_ability_is_looked_at(self) -> None:
        known = {field.name for field in fields(Capabilities)}
        assert set(ASKED) | {"local", "languages", "confidences", "streaming"} == known

    def test_a_language_that_it_does_not_know_is_refused(self, recogniser: Recogniser) -> None:
        with pytest.raises(UnsupportedOption) as caught:
            self.options(recogniser, language="zz")
        assert caught.value.field == "language"

    def test_a_model_that_it_does_not_have_is_refused(self, recogniser: Recogniser) -> None:
        with pytest.raises(ModelNotFound) as caught:
            self.options(recogniser, model="no-such-model")
        assert caught.value.field == "model"

    def test_an_option_that_it_does_not_have_is_refused(self, recogniser: Recogniser) -> None:
        with pytest.raises(UnsupportedOption) as caught:
            self.options(recogniser, parameters={"no_such_option": 1})
        assert caught.value.field == "parameters.no_such_option"

    # What it hears

    def test_words_lie_in_segments_and_segments_in_the_audio(self, recogniser: Recogniser, speech: Samples) -> None:
        found = recogniser.recognise(speech, self.options(recogniser))
        assert found.segments
        promises(found, len(speech) / SAMPLE_RATE)
        assert found.language == self.language
        if recogniser.capabilities.word_timestamps:
            assert all(segment.words for segment in found.segments)
        if recogniser.capabilities.confidences:
            assert all(segment.confidence is not None for segment in found.segments)
            assert all(word.confidence is not None for segment in found.segments for word in segment.words)

    def test_without_word_times_the_text_stays(self, recogniser: Recogniser, speech: Samples) -> None:
        found = recogniser.recognise(speech, self.options(recogniser, word_timestamps=False))
        promises(found, len(speech) / SAMPLE_RATE)
        assert found.segments
        assert not any(segment.words for segment in found.segments)

    def test_segments_are_heard_as_they_come(self, recogniser: Recogniser, speech: Samples) -> None:
        heard: list[tuple[float, Segment]] = []
        found = recogniser.recognise(
            speech, self.options(recogniser), Watch(heard=lambda position, segment: heard.append((position, segment)))
        )
        assert [segment.text for _, segment in heard] == [segment.text for segment in found.segments]
        positions = [position for position, _ in heard]
        assert positions == sorted(positions)
        assert positions[-1] <= len(speech) / SAMPLE_RATE

    @pytest.mark.parametrize("seconds", [0, 0.05, 3, 31])
    def test_silence_gives_no_words(self, recogniser: Recogniser, seconds: float) -> None:
        found = recogniser.recognise(np.zeros(int(seconds * SAMPLE_RATE), np.float32), self.options(recogniser))
        assert found.segments == ()

    @pytest.mark.parametrize("seconds", [0.0001, 0.01, 0.05, 0.2])
    def test_a_moment_of_speech_is_borne(self, recogniser: Recogniser, speech: Samples, seconds: float) -> None:
        moment = speech[SAMPLE_RATE : SAMPLE_RATE + max(1, int(seconds * SAMPLE_RATE))]
        promises(recogniser.recognise(moment, self.options(recogniser)), len(moment) / SAMPLE_RATE)

    def test_the_audio_is_left_as_it_was(self, recogniser: Recogniser, speech: Samples) -> None:
        mine = np.repeat(speech, 2)[::2]  # not contiguous
        mine.flags.writeable = False
        options = self.options(recogniser)
        assert recogniser.recognise(mine, options) == recogniser.recognise(speech, options)

    def test_eight_threads_hear_what_one_hears(self, recogniser: Recogniser, speech: Samples) -> None:
        options = self.options(recogniser)
        expected = recogniser.recognise(speech, options)
        with ThreadPoolExecutor(8) as threads:
            found = [threads.submit(recogniser.recognise, speech, options) for _ in range(8)]
            assert all(done.result(PATIENCE) == expected for done in found)

    def test_the_words_are_right(self, recogniser: Recogniser, english: list[Clip], decode: Decode) -> None:
        if self.wer_limit is None:
            pytest.skip("this provider does not listen")
        options = self.options(recogniser)
        texts = [recogniser.recognise(decode(clip.path), options).segments for clip in english]
        said = [" ".join(segment.text for segment in segments) for segments in texts]
        assert word_error_rate([clip.text for clip in english], said) <= self.wer_limit

    # How it ends early

    def test_a_cancelled_job_stops_before_anything_is_heard(self, recogniser: Recogniser, speech: Samples) -> None:
        heard: list[Segment] = []
        watch = Watch(cancelled=lambda: True, heard=lambda position, segment: heard.append(segment))
        with pytest.raises(JobCancelled):
            recogniser.recognise(speech, self.options(recogniser), watch)
        assert heard == []

    def test_a_job_cancelled_on_the_way_stops_after_the_segment(self, recogniser: Recogniser, speech: Samples) -> None:
        cancelled = threading.Event()
        heard: list[Segment] = []

        def hear(position: float, segment: Segment) -> None:
            heard.append(segment)
            cancelled.set()

        long = np.concatenate([speech, speech, speech])
        with pytest.raises(JobCancelled):
            recogniser.recognise(long, self.options(recogniser), Watch(cancelled.is_set, hear))
        assert len(heard) == 1

    def test_an_error_of_the_caller_passes_and_nothing_is_left_behind(
        self, recogniser: Recogniser, speech: Samples
    ) -> None:
        def hear(position: float, segment: Segment) -> None:
            raise ZeroDivisionError

        options = self.options(recogniser)
        with pytest.raises(ZeroDivisionError):
            recogniser.recognise(speech, options, Watch(heard=hear))
        assert recogniser.recognise(speech, options).segments

    def test_errors_survive_pickling(self, recogniser: Recogniser) -> None:
        for kind in _kinds(ProviderError):
            error = kind("It failed.", recogniser.name, 3.0)
            copy = pickle.loads(pickle.dumps(error))
            assert (type(copy), copy.message, copy.provider, copy.retry_after) == (
                kind,
                "It failed.",
                recogniser.name,
                3.0,
            )


def _kinds(kind: type[SpeechError]) -> list[type[Any]]:
    return [kind, *(deeper for one in kind.__subclasses__() for deeper in _kinds(one))]
