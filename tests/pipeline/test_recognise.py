"""Recognising: piece by piece, each kept under a key that names what it depends on."""

from __future__ import annotations

from pathlib import Path

import pytest

from audio.limits import Limits
from audio.pieces import Piece
from audio.spans import Span
from pipeline.assemble import assemble, laid_out
from pipeline.prepare import Prepared
from pipeline.recognise import Recognised, Recognising
from pipeline.recording import Recording
from pipeline.steps import KeptSteps, NoSteps, StepStore
from providers.base import RecognitionOptions
from speech.errors import JobCancelled
from speech.jobs import Stage
from speech.transcript import Quality
from storage.blobs import Blobs
from tests.pipeline.conftest import Counting, Noting

PREPARED = Prepared(
    11.0,
    (Piece(0, (Span(0.0, 2.0), Span(3.0, 4.0))), Piece(1, (Span(6.0, 9.0),))),
    Quality(),
)
OPTIONS = RecognitionOptions(model="one")


@pytest.fixture
def steps(tmp_path: Path) -> KeptSteps:
    return KeptSteps(Blobs(str(tmp_path / "blobs"), {}), lambda key: None)


def run(
    recording: Recording,
    counting: Counting,
    steps: StepStore,
    options: RecognitionOptions = OPTIONS,
    observer: Noting | None = None,
) -> Recognised:
    return Recognising(recording, PREPARED, counting, steps, observer or Noting()).all(options)


def test_the_language_of_the_first_piece_stays(recording: Recording, counting: Counting) -> None:
    found = run(recording, counting, NoSteps())
    assert counting.heard == [(3.0, None), (3.0, "it")]
    assert (found.language, found.language_probability) == ("it", 0.8)


def test_progress_grows_to_one(recording: Recording, counting: Counting, observer: Noting) -> None:
    run(recording, counting, NoSteps(), observer=observer)
    told = [fraction for stage, fraction in observer.told if stage is Stage.TRANSCRIBING]
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_each_piece_is_told_as_it_finishes_in_the_words_of_the_transcript(
    recording: Recording, counting: Counting, steps: KeptSteps
) -> None:
    found = run(recording, counting, steps)
    whole = assemble(recording, PREPARED, found, laid_out(PREPARED, found))
    for _ in range(2):  # recognised, then found recognised
        observer = Noting()
        run(recording, counting, steps, observer=observer)
        assert [piece for piece, _ in observer.pieces] == [0, 1]
        assert tuple(segment for _, segments in observer.pieces for segment in segments) == whole.segments
        assert [segments[0].language for _, segments in observer.pieces] == ["it", "it"]


def test_finished_pieces_are_not_heard_again(recording: Recording, counting: Counting, steps: KeptSteps) -> None:
    assert run(recording, counting, steps) == run(recording, counting, steps)
    assert len(counting.heard) == 2


def test_a_piece_that_was_finished_before_a_crash_is_found(
    recording: Recording, counting: Counting, steps: KeptSteps
) -> None:
    observer = Noting()

    def stop_after_the_first(stage: Stage, fraction: float) -> None:
        observer.stop = stage is Stage.TRANSCRIBING and fraction >= 0.5

    observer.progress = stop_after_the_first  # type: ignore[method-assign]
    with pytest.raises(JobCancelled):
        run(recording, counting, steps, observer=observer)
    run(recording, counting, steps)
    assert [seconds for seconds, _ in counting.heard] == [3.0, 3.0]


def test_other_weights_options_or_owner_miss(
    recording: Recording, counting: Counting, steps: KeptSteps, tmp_path: Path, jfk: Path, limits: Limits
) -> None:
    run(recording, counting, steps)
    counting.weights = "sha256:two"
    run(recording, counting, steps)
    assert len(counting.heard) == 4
    run(recording, counting, steps, RecognitionOptions(model="one", initial_prompt="ask not"))
    assert len(counting.heard) == 6
    other = Recording("ben", "file-1", "jfk.flac", "a" * 64, tmp_path, limits, lambda folder: jfk)
    run(other, counting, steps)
    assert len(counting.heard) == 8


def test_another_name_for_the_same_weights_hits(recording: Recording, counting: Counting, steps: KeptSteps) -> None:
    run(recording, counting, steps)
    found = run(recording, counting, steps, RecognitionOptions(model="the-same"))
    assert len(counting.heard) == 2
    assert found.model == "the-same"


def test_no_speech_needs_no_weights_in_memory(recording: Recording, counting: Counting) -> None:
    nothing = Prepared(11.0, (), Quality())
    found = Recognising(recording, nothing, counting, NoSteps(), Noting()).all(OPTIONS)
    assert (found.pieces, found.language, counting.heard) == ((), None, [])
    transcript = assemble(recording, nothing, found, laid_out(nothing, found))
    assert (transcript.text, transcript.duration) == ("", 11.0)


def test_words_return_to_the_time_line_of_the_recording(recording: Recording, counting: Counting) -> None:
    found = run(recording, counting, NoSteps())
    transcript = assemble(recording, PREPARED, found, laid_out(PREPARED, found), job_id="job")
    # The word of the first piece has its middle in the first stretch of speech: its end is not drawn over the pause.
    assert [(word.start, word.end) for word in transcript.words] == [(0.1, 2.9), (6.1, 8.9)]
    assert [segment.language for segment in transcript.segments] == ["it", "it"]
    assert (transcript.provider, transcript.model, transcript.model_digest) == ("counting", "one", "sha256:one")
    assert transcript.usage.audio_seconds == 11.0
