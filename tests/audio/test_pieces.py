"""Pieces hold all spans, none too much, and end at long silences."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from audio.pieces import Piece, cut
from audio.spans import Span


def spans_of(gaps: list[tuple[int, int]]) -> list[Span]:
    spans, at = [], 0
    for silence, length in gaps:
        spans.append(Span.of_samples(at + silence, at + silence + length))
        at += silence + length
    return spans


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 4 * 10**6)), max_size=40),
    st.floats(1, 300),
)
def test_nothing_is_lost_and_no_piece_is_too_long(gaps: list[tuple[int, int]], longest: float) -> None:
    spans = spans_of(gaps)
    pieces = cut(spans, longest)
    parts = [part for piece in pieces for part in piece.spans]
    assert [piece.index for piece in pieces] == list(range(len(pieces)))
    assert all(piece.speech_seconds <= longest + 1e-3 for piece in pieces)
    assert all(before.last <= after.first for before, after in pairwise(parts))
    assert sum(part.last - part.first for part in parts) == sum(span.last - span.first for span in spans)
    assert {part.first for part in parts} >= {span.first for span in spans}
    assert {part.last for part in parts} >= {span.last for span in spans}


def test_a_short_recording_is_one_piece() -> None:
    spans = (Span(1.0, 5.0), Span(60.0, 70.0))
    [piece] = cut(spans, 300)
    assert piece == Piece(0, spans)
    assert (piece.start, piece.end, piece.speech_seconds) == (1.0, 70.0, 14.0)


def test_no_speech_is_no_piece() -> None:
    assert cut((), 300) == ()


def test_a_piece_ends_at_the_longest_silence_of_its_second_half() -> None:
    #         silences:  9 s (too early)      1 s              3 s             2 s
    spans = [Span(0, 10), Span(19, 49), Span(50, 70), Span(73, 93), Span(95, 115)]
    pieces = cut(spans, 90)
    assert [(piece.start, piece.end) for piece in pieces] == [(0, 70), (73, 115)]


def test_of_equal_silences_the_later_one_is_taken() -> None:
    spans = [Span(second * 11, second * 11 + 10) for second in range(10)]
    assert [len(piece.spans) for piece in cut(spans, 40)] == [4, 4, 2]


def test_a_span_longer_than_a_piece_is_cut_into_equal_parts() -> None:
    pieces = cut([Span(0.0, 100.0)], 30)
    assert [(piece.start, piece.end) for piece in pieces] == [(0, 25), (25, 50), (50, 75), (75, 100)]
