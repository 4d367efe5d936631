"""The map from trimmed time to original time agrees with faster-whisper's."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from faster_whisper.transcribe import restore_speech_timestamps
from faster_whisper.vad import SpeechTimestampsMap
from hypothesis import given
from hypothesis import strategies as st

from audio.spans import Span, TimeMap
from speech.transcript import Segment, Word

stretches = st.lists(
    st.tuples(st.integers(0, 5_000_000), st.integers(1, 500_000)), min_size=1, max_size=12
)  # (silence before, length) in samples


def spans_of(gaps: list[tuple[int, int]]) -> tuple[Span, ...]:
    spans, at = [], 0
    for silence, length in gaps:
        spans.append(Span.of_samples(at + silence, at + silence + length))
        at += silence + length
    return tuple(spans)


def chunks_of(spans: tuple[Span, ...]) -> list[dict[str, int]]:
    return [{"start": span.first, "end": span.last} for span in spans]


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_span_of_samples_gives_its_samples_back(first: int, length: int) -> None:
    span = Span.of_samples(first, first + length)
    assert (span.first, span.last) == (first, first + length)


@given(stretches, st.floats(0, 1), st.booleans())
def test_original_time_is_faster_whispers(gaps: list[tuple[int, int]], share: float, is_end: bool) -> None:
    spans = spans_of(gaps)
    reference = SpeechTimestampsMap(chunks_of(spans), 16_000)
    ours = TimeMap(spans)
    time = round(ours.duration * share, 3)
    assert ours.index(time, is_end=is_end) == reference.get_chunk_index(time, is_end)
    assert ours.original(time, is_end=is_end) == reference.get_original_time(time, is_end=is_end)


@given(stretches, st.data())
def test_borders_belong_to_the_side_that_faster_whisper_says(gaps: list[tuple[int, int]], data: st.DataObject) -> None:
    spans = spans_of(gaps)
    reference = SpeechTimestampsMap(chunks_of(spans), 16_000)
    border = data.draw(st.sampled_from(reference.chunk_end_sample)) / 16_000
    for is_end in (False, True):
        assert TimeMap(spans).original(border, is_end=is_end) == reference.get_original_time(border, is_end=is_end)


@given(stretches, st.lists(st.tuples(st.floats(0, 1), st.floats(0, 2)), min_size=0, max_size=6))
def test_segments_are_restored_as_by_faster_whisper(
    gaps: list[tuple[int, int]], places: list[tuple[float, float]]
) -> None:
    spans = spans_of(gaps)
    ours = TimeMap(spans)
    times = sorted((share * ours.duration, share * ours.duration + length) for share, length in places)
    words = tuple(Word(start, end, "w") for start, end in times)
    segment = Segment(0.0, ours.duration, "w", words)
    theirs = SimpleNamespace(
        start=0.0, end=ours.duration, words=[SimpleNamespace(start=start, end=end) for start, end in times]
    )
    [expected] = restore_speech_timestamps([theirs], chunks_of(spans), 16_000)  # type: ignore[list-item]
    [restored] = ours.restore([segment])
    assert (restored.start, restored.end) == (expected.start, expected.end)
    assert [(word.start, word.end) for word in restored.words] == [(w.start, w.end) for w in expected.words or []]


@given(stretches)
def test_time_never_runs_backwards_and_stays_in_the_spans(gaps: list[tuple[int, int]]) -> None:
    spans = spans_of(gaps)
    ours = TimeMap(spans)
    times = [ours.original(ours.duration * step / 50) for step in range(51)]
    assert times == sorted(times)
    assert all(any(span.start - 0.01 <= time <= span.end + 0.01 for span in spans) for time in times)


def test_a_long_pause_does_not_move_the_words_after_it() -> None:
    ours = TimeMap([Span(1.0, 3.0), Span(3603.0, 3605.0)])
    assert ours.duration == 4.0
    assert ours.word(Word(0.5, 0.9, "before")) == Word(1.5, 1.9, "before")
    assert ours.word(Word(2.5, 2.9, "after")) == Word(3603.5, 3603.9, "after")
    # Mapped by its middle, a word that reaches over the border keeps its length.
    assert ours.word(Word(1.9, 2.5, "border")) == Word(3602.9, 3603.5, "border")


def test_a_segment_without_words_goes_by_its_ends() -> None:
    [segment] = TimeMap([Span(1.0, 3.0), Span(10.0, 12.0)]).restore([Segment(0.0, 2.0, "text")])
    assert (segment.start, segment.end) == (1.0, 3.0)


def test_a_map_of_nothing_changes_nothing() -> None:
    ours = TimeMap([])
    assert ours.duration == 0.0
    assert ours.original(1.234) == 1.23
    assert ours.word(Word(1.0, 2.0, "w")) == Word(1.0, 2.0, "w")


def test_time_beyond_the_end_goes_by_the_last_span() -> None:
    assert TimeMap([Span(1.0, 2.0), Span(5.0, 6.0)]).original(2.5) == pytest.approx(6.5)
