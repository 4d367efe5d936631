"""Times for recognised words and for a user's own text: with a scripted aligner, and with real ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio.samples import SAMPLE_RATE, Samples
from audio.spool import Spool
from pipeline import align
from pipeline.align import Aligning, align_segments
from pipeline.aligned import Aligned
from pipeline.ear import Ear
from pipeline.observer import Unobserved
from pipeline.recording import Recording
from pipeline.steps import StepKey
from providers.aligner import Timing
from providers.fake_steps import FakeAligner
from providers.role import StepWatch
from providers.whisper_aligner import WhisperAligner
from speech.errors import JobCancelled, ProviderUnavailable, TextMismatch
from speech.jobs import Stage
from speech.transcript import Segment, Word, ordered
from tests.conftest import Clip
from tests.pipeline.conftest import Noting


class Picky(FakeAligner):
    """Refuses windows that hold a certain word; notes how long its windows were."""

    def __init__(self, refused: str = "") -> None:
        super().__init__()
        self.refused = refused
        self.windows: list[tuple[float, tuple[str, ...]]] = []

    def _align(self, samples: Samples, words: Sequence[str], language: str, watch: StepWatch) -> tuple[Timing, ...]:
        self.windows.append((samples.size / SAMPLE_RATE, tuple(words)))
        if self.refused in words:
            raise TextMismatch("Not what is spoken.")
        return super()._align(samples, words, language, watch)


def spool_of(folder: Path, samples: Samples) -> Spool:
    path = folder / "own.pcm"
    (np.clip(samples, -1, 1) * 32767).astype("<i2").tofile(path)
    return Spool.at(path)


def noise(folder: Path, seconds: float) -> Spool:
    return spool_of(folder, np.random.default_rng(0).normal(0, 0.05, int(seconds * SAMPLE_RATE)).astype(np.float32))


def said(start: float, text: str, each: float = 0.5, **more: Any) -> Segment:
    words = tuple(
        Word(start + index * each, start + (index + 0.8) * each, word, index > 0, 0.9)
        for index, word in enumerate(text.split())
    )
    return Segment(words[0].start, words[-1].end, text, words, **more)


def in_order(segments: Sequence[Segment], duration: float) -> None:
    assert ordered(segments, duration) == tuple(segments)
    for before, after in pairwise(word for segment in segments for word in segment.words):
        assert before.end <= after.start


def test_neighbours_share_windows_that_the_aligner_takes(tmp_path: Path) -> None:
    aligner, observer = Picky(), Noting()
    segments = [said(start, "one two three - four") for start in range(0, 60, 3)]
    found = align_segments(noise(tmp_path, 62), segments, aligner, "en", observer).segments
    in_order(found, 62)
    assert [word.text for segment in found for word in segment.words] == ["one", "two", "three", "-", "four"] * 20
    assert all(seconds <= aligner.longest for seconds, _ in aligner.windows)
    assert len(aligner.windows) <= 4
    assert {word.confidence for segment in found for word in segment.words} == {0.5}
    assert observer.told[-1] == (Stage.ALIGNING, 1.0)


def test_other_languages_channels_and_long_pauses_part_windows(tmp_path: Path) -> None:
    aligner = Picky()
    segments = [
        said(0, "a b", language="en"),
        said(2, "c d", language="de"),
        said(4, "e f", language="fr"),
        said(6, "g h", language="en", channel=1),
        said(20, "i j", language="en", channel=1),
    ]
    found = align_segments(noise(tmp_path, 22), segments, aligner, None, Unobserved()).segments
    assert [words for _, words in aligner.windows] == [("a", "b"), ("c", "d"), ("g", "h"), ("i", "j")]
    assert found[2] == segments[2], "the aligner does not know French: it keeps its times"


def test_what_cannot_be_aligned_keeps_its_times_and_its_neighbours_get_theirs(tmp_path: Path) -> None:
    segments = [said(0, "a b"), said(1.5, "bad luck"), said(3, "c d")]
    aligned = align_segments(noise(tmp_path, 5), segments, Picky("bad"), "en", Unobserved())
    found = aligned.segments
    assert found[1] == segments[1]
    assert [word.confidence for word in (*found[0].words, *found[2].words)] == [0.5] * 4
    assert (aligned.unplaced, aligned.words) == (2, 6)
    assert "2 of 6 words keep the times" in aligned.warnings[0]


def test_segments_of_text_alone_get_words(tmp_path: Path) -> None:
    segments = [Segment(1, 3, "So it goes.", speaker="S1", language="en"), Segment(4, 6, "你好。", language="zh")]
    found = align_segments(noise(tmp_path, 7), segments, FakeAligner(), None, Unobserved()).segments
    assert [word.text for word in found[0].words] == ["So", "it", "goes."]
    assert {word.speaker for word in found[0].words} == {"S1"}
    assert [(word.text, word.start, word.end) for word in found[1].words] == [("你", 4, 5), ("好。", 5, 6)]
    assert found[1].text == "你好。"


def test_a_segment_longer_than_the_aligner_takes_is_cut_between_words(tmp_path: Path) -> None:
    aligner = Picky()
    text = " ".join(f"w{number}" for number in range(200))
    (found,) = align_segments(noise(tmp_path, 105), [said(2, text)], aligner, "en", Unobserved()).segments
    assert len(found.words) == 200
    assert sum(len(words) for _, words in aligner.windows) == 200
    assert all(seconds <= aligner.longest for seconds, _ in aligner.windows)
    in_order([found], 105)


def test_words_of_a_part_that_cannot_be_aligned_keep_their_times_and_are_told_of(tmp_path: Path) -> None:
    long = said(2, " ".join("bad" if number == 150 else f"w{number}" for number in range(200)))
    aligned = align_segments(noise(tmp_path, 105), [long], Picky("bad"), "en", Unobserved())
    (found,) = aligned.segments
    kept = [word for word, old in zip(found.words, long.words, strict=True) if word == old]
    assert "bad" in [word.text for word in kept]
    assert {word.confidence for word in found.words if word not in kept} == {0.5}
    assert 0 < aligned.unplaced == len(kept) < aligned.words == 200
    assert aligned.warnings


def test_a_window_of_which_a_part_failed_is_tried_segment_by_segment(tmp_path: Path) -> None:
    aligner = Picky("bad")
    aligner.longest = 8.0  # type: ignore[misc]
    segments = [said(0, "a b c d e f g h i j k l"), said(6.5, "bad luck"), said(7.6, "m n o p q r s t")]
    windows = align._Windows(Ear(noise(tmp_path, 12), aligner, Unobserved()), segments, "en")
    done = windows.aligned([0, 1, 2])
    assert [done[index].placed for index in range(3)] == [12, 0, 8]
    assert done[1].segment == segments[1]
    assert [len(words) for _, words in aligner.windows] == [12, 10, 2, 8]


def test_a_cancelled_job_stops_and_an_aligner_that_fails_fails_the_step(tmp_path: Path) -> None:
    spool, segments = noise(tmp_path, 3), [said(0, "a b")]
    with pytest.raises(JobCancelled):
        align_segments(spool, segments, FakeAligner(), "en", Noting(stop=True))

    class Down(FakeAligner):
        def _align(self, *given: Any) -> tuple[Timing, ...]:
            raise ProviderUnavailable("It is down.", self.name)

    with pytest.raises(ProviderUnavailable):
        align_segments(spool, segments, Down(), "en", Unobserved())


def test_nothing_in_nothing_out(tmp_path: Path) -> None:
    assert align_segments(noise(tmp_path, 1), [], FakeAligner(), "en", Unobserved()) == Aligned()
    blank = Segment(0, 1, "")
    assert align_segments(noise(tmp_path, 1), [blank], FakeAligner(), "en", Unobserved()) == Aligned((blank,))


class Remembering:
    """A store of steps in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[StepKey, bytes] = {}

    def recall(self, key: StepKey) -> bytes | None:
        return self.kept.get(key)

    def keep(self, key: StepKey, outcome: bytes) -> None:
        self.kept[key] = outcome


def test_a_finished_step_is_not_done_again_unless_something_changed(recording: Recording, observer: Noting) -> None:
    aligner, steps = FakeAligner(), Remembering()
    aligning = Aligning(recording, aligner, steps, observer)
    segments = [said(0.5, "And so my fellow Americans")]
    first = aligning.segments(segments, "en")
    assert aligning.segments(segments, "en") == first
    assert aligner.alignments == 1
    aligning.segments([said(0.5, "And so my fellow citizens")], "en")
    aligning.segments(segments, "de")
    assert aligner.alignments == 3
    script = aligning.script("And so my fellow", segments, "en")
    assert aligning.script("And so my fellow", segments, "en") == script
    assert aligner.alignments == 4


def test_a_long_recording_is_kept_block_by_block(recording: Recording, observer: Noting) -> None:
    class Leaving(FakeAligner):
        """Aligns one window, and is then interrupted once."""

        left = False

        def _align(self, *given: Any) -> tuple[Timing, ...]:
            if self.alignments == 1 and not self.left:
                self.left = True
                raise ProviderUnavailable("It left.", self.name)
            return super()._align(*given)

    segments = [said(start, "one two") for start in (1.0, 2.5, 5.0, 8.0)]
    aligner, steps = Leaving(), Remembering()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(align, "_BLOCK", 3.5)
        whole = Aligning(recording, FakeAligner(), Remembering(), observer).segments(segments, "en")
        with pytest.raises(ProviderUnavailable):
            Aligning(recording, aligner, steps, observer).segments(segments, "en")
        assert len(steps.kept) == 1
        assert Aligning(recording, aligner, steps, observer).segments(segments, "en") == whole
        assert len(steps.kept) == 3
    assert len(whole.segments) == 4
    assert whole.unplaced == 0


def test_progress_goes_on_from_channel_to_channel_and_over_kept_blocks(recording: Recording) -> None:
    segments = [said(start, "one two", channel=channel) for channel in (None, 0) for start in (1.0, 3.0, 5.0, 8.0)]
    steps, first, again = Remembering(), Noting(), Noting()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(align, "_BLOCK", 3.5)
        Aligning(recording, FakeAligner(), steps, first).segments(segments, "en")
        Aligning(recording, FakeAligner(), steps, again).segments(segments, "en")
    told = [fraction for stage, fraction in first.told if stage is Stage.ALIGNING]
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert set(told) == {eighth / 8 for eighth in range(1, 9)}
    assert again.told == [(Stage.ALIGNING, reached) for reached in (0.25, 0.375, 0.5, 0.75, 0.875, 1.0)]


@pytest.mark.models
def test_recognised_text_without_words_is_placed_on_real_speech(
    whisper_aligner: WhisperAligner, clips: list[Clip], jfk: Path, tmp_path: Path
) -> None:
    from faster_whisper import decode_audio

    clip = next(one for one in clips if one.path == jfk)
    spool = spool_of(tmp_path, np.asarray(decode_audio(str(jfk)), dtype=np.float32))
    (found,) = align_segments(
        spool, [Segment(0, spool.duration, clip.text, language="en")], whisper_aligner, None, Unobserved()
    ).segments
    in_order([found], spool.duration)
    assert found.text == clip.text
    places = {word.text.strip(",.").lower(): word.start for word in found.words}
    # By ear and eye: "ask" behind the pause in the middle, "country" at the end.
    assert places["fellow"] == pytest.approx(1.1, abs=0.2)
    assert found.words[-1].start == pytest.approx(10.0, abs=0.4)
