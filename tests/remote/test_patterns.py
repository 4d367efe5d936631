from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.patterns import matcher


@pytest.mark.parametrize(
    ("pattern", "path", "meant"),
    [
        ("*", "a/b.wav", True),
        ("*.wav", "a/b.wav", True),
        ("*.wav", "a/b.WAV", False),
        ("call-[0-9].wav", "deep/call-7.wav", True),
        ("2026/*.wav", "2026/a.wav", True),
        ("2026/*.wav", "2026/05/a.wav", False),
        ("2026/**/*.wav", "2026/a.wav", True),
        ("2026/**/*.wav", "2026/05/04/a.wav", True),
        ("**/*.wav", "a.wav", True),
        ("**", "a/b/c", True),
        ("/a.wav", "b/a.wav", False),
    ],
)
def test_patterns_mean_what_shells_make_of_them(pattern: str, path: str, meant: bool) -> None:
    assert matcher(pattern)(path) is meant


@given(st.lists(st.sampled_from(["*a", "**", "?", "[a]*", "/"]), max_size=40), st.integers(0, 300))
def test_no_pattern_takes_for_ever(parts: list[str], length: int) -> None:
    matcher("".join(parts) or "*")("a/" * length + "b")
