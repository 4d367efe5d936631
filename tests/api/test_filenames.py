"""Names of files: shown, sent back, zipped; never paths, never headers of their own."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.filenames import attachment, name_in, named_apart
from speech.filenames import shown_name

ANY = st.text(max_size=400)


@given(ANY)
@example('a"; filename="b')
@example("a\r\nSet-Cookie: x=1")
@example("звук.vtt")
@example(".vtt")
@example("\u00e4.vtt")
def test_a_download_header_is_one_line_of_ascii_and_holds_the_name(given_name: str) -> None:
    header = attachment(given_name)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    plain, _, extended = header.partition("; filename*=UTF-8''")
    assert unquote(extended) == shown_name(given_name)
    assert plain.removeprefix('attachment; filename="').removesuffix('"').strip(" .")


@pytest.mark.parametrize(
    ("name", "plain"), [("call.vtt", "call.vtt"), ("Gespräch.vtt", "Gesprach.vtt"), ("звук.vtt", "audio.vtt")]
)
def test_the_ascii_stand_in_keeps_what_it_can(name: str, plain: str) -> None:
    assert f'filename="{plain}"' in attachment(name)


@given(st.lists(st.sampled_from(["a.vtt", "A.vtt", "a (2).vtt", "b.json", "b"])))
def test_names_in_an_archive_are_all_different(names: list[str]) -> None:
    apart = named_apart(names)
    assert len(apart) == len(names)
    assert len({name.casefold() for name in apart}) == len(names)
    assert all(
        new.rpartition(".")[2] == old.rpartition(".")[2] for new, old in zip(apart, names, strict=True) if "." in old
    )


@pytest.mark.parametrize(
    ("disposition", "plain", "name"),
    [
        (b"form-data", b"caf\xc3\xa9.wav", "café.wav"),
        (b"form-data", b"caf\xe9.wav", "café.wav"),
        (b"form-data; filename*=UTF-8''a%20b.wav; x=y", None, "a b.wav"),
        (b"form-data; filename*=plain.wav", None, "plain.wav"),
        (b'form-data; name="files"', None, None),
    ],
)
def test_names_in_forms(disposition: bytes, plain: bytes | None, name: str | None) -> None:
    assert name_in(disposition, plain) == name
