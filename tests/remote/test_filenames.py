from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.filenames import FALLBACK, clean, from_disposition, from_path


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("call.mp3", "call.mp3"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\call.wav", "call.wav"),
        ("a\x00b\r\n.mp3", "ab  .mp3"),
        ("\u202egnp.exe.mp3", "gnp.exe.mp3"),
        ("  call .mp3 ", "call .mp3"),
        ("..", FALLBACK),
        ("", FALLBACK),
        ("folder/", FALLBACK),
        ("Gespräch.flac", "Gespräch.flac"),
    ],
)
def test_names_are_cleaned(name: str, cleaned: str) -> None:
    assert clean(name) == cleaned


def test_long_names_keep_their_ending() -> None:
    name = clean("ü" * 300 + ".flac")
    assert name.endswith("ü.flac")
    assert len(name.encode()) <= 255
    assert len(clean("a" * 300).encode()) == 255
    assert len(clean("a." + "b" * 300).encode()) == 255


@given(st.text(max_size=400))
def test_every_name_is_a_plain_name(name: str) -> None:
    cleaned = clean(name)
    assert cleaned
    assert cleaned not in {".", ".."}
    assert not set(cleaned) & {"/", "\\"}
    assert all(unicodedata.category(char)[0] != "C" for char in cleaned)
    assert len(cleaned.encode()) <= 255
    assert clean(cleaned) == cleaned


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ('attachment; filename="call.mp3"', "call.mp3"),
        ("attachment; filename=call.mp3", "call.mp3"),
        ("attachment; filename=\"x.mp3\"; filename*=UTF-8''Gespr%C3%A4ch.mp3", "Gespräch.mp3"),
        ('attachment; filename="../../x.mp3"', "x.mp3"),
        ("inline", None),
        ("", None),
        (None, None),
    ],
)
def test_content_disposition(value: str | None, name: str | None) -> None:
    assert from_disposition(value) == name


@given(st.text(alphabet=st.characters(blacklist_characters="\r\n"), max_size=200))
def test_no_disposition_breaks_it(value: str) -> None:
    for text in (value, f"attachment; filename={value}", f"attachment; filename*={value}", f'a; filename="{value}"'):
        name = from_disposition(text)
        assert name is None or name == clean(name)


def test_paths_name_files() -> None:
    assert from_path("/a/b%20c.mp3") == "b c.mp3"
    assert from_path("/a/%2e%2e%2fx.mp3") == "x.mp3"
    assert from_path("/") is None
