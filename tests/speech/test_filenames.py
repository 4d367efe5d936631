"""One way to clean a name, wherever it comes from."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from speech.filenames import LONGEST, UNNAMED, shown_name, stem_of


@given(st.text(max_size=400))
@example("a/../b")
@example("\u202e")
@example("e\u200d\u0301")
@example("x" * 400 + ".wav")
@example("a" + "." * 300 + ".wav")
@example("." * 300)
@example("." + "x" * 400)
def test_a_shown_name_is_harmless_whatever_was_given(given_name: str) -> None:
    name = shown_name(given_name)
    assert 0 < len(name.encode()) <= LONGEST
    assert name not in (".", "..")
    assert not set(name) & set("/\\")
    assert all(unicodedata.category(character)[0] != "C" for character in name)
    assert name == shown_name(name)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("call.mp3", "call.mp3"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\call.wav", "call.wav"),
        ("a\x00b\r\n.mp3", "ab .mp3"),
        ("\u202egnp.exe.mp3", "gnp.exe.mp3"),
        ("  call .mp3 ", "call .mp3"),
        ("..", UNNAMED),
        ("", UNNAMED),
        ("folder/", UNNAMED),
        ("Gespra\u0308ch.flac", "Gespr\u00e4ch.flac"),
    ],
)
def test_names_are_cleaned(name: str, shown: str) -> None:
    assert shown_name(name) == shown


def test_what_a_name_is_when_nothing_is_left_can_be_said() -> None:
    assert shown_name("\x00/..", "example.com") == "example.com"


def test_long_names_keep_their_ending() -> None:
    name = shown_name("\u00fc" * 300 + ".flac")
    assert name.endswith("\u00fc.flac")
    assert LONGEST - 1 <= len(name.encode()) <= LONGEST
    assert len(shown_name("a" * 300).encode()) == LONGEST
    assert len(shown_name("a." + "b" * 300).encode()) == LONGEST


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("call.mp3", "call"),
        ("a.b.wav", "a.b"),
        ("call", "call"),
        (".hidden", ".hidden"),
        ("v1.2 of a long talk", "v1.2 of a long talk"),
    ],
)
def test_stems(name: str, stem: str) -> None:
    assert stem_of(name) == stem
