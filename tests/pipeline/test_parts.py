"""Long recordings in parts: how many, and where they are parted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.pieces import Piece
from audio.spans import Span
from pipeline.parts import MOST_PARTS, share, worthwhile


def _pieces(*seconds: float) -> tuple[Piece, ...]:
    return tuple(Piece(index, (Span(100.0 * index, 100.0 * index + length),)) for index, length in enumerate(seconds))


@pytest.mark.parametrize(
    ("speech", "threshold", "idle", "parts"),
    [
        (1200, 1200, 8, 1),
        (1201, 1200, 8, 2),
        (3600, 1200, 8, 6),
        (3600, 1200, 3, 3),
        (3600, 1200, 1, 1),
        (3600, 1200, 0, 1),
        (3600, 0, 8, 1),
        (1e6, 1200, 1000, MOST_PARTS),
    ],
)
def test_how_many_parts(speech: float, threshold: float, idle: int, parts: int) -> None:
    assert worthwhile(speech, threshold, idle) == parts


def test_parts_are_about_equal() -> None:
    shared = share(_pieces(30, 30, 30, 30, 10, 10, 10, 30), 3)
    assert [[piece.index for piece in part] for part in shared] == [[0, 1], [2, 3], [4, 5, 6, 7]]


@given(st.lists(st.floats(0.5, 90), max_size=40), st.integers(1, 12))
def test_parts_hold_all_pieces_in_order_and_none_is_empty(seconds: list[float], count: int) -> None:
    pieces = _pieces(*seconds)
    shared = share(pieces, count)
    assert [piece for part in shared for piece in part] == list(pieces)
    assert all(shared)
    assert len(shared) <= count
    if pieces:
        longest = max(sum(piece.speech_seconds for piece in part) for part in shared)
        assert longest <= sum(seconds) / count + max(seconds) + 1e-6
