from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from remote.filenames import from_disposition, from_path
from speech.filenames import shown_name


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


@example("\ud800")
@given(st.text(alphabet=st.characters(blacklist_characters="\r\n"), max_size=200))
def test_no_disposition_breaks_it(value: str) -> None:
    for text in (value, f"attachment; filename={value}", f"attachment; filename*={value}", f'a; filename="{value}"'):
        name = from_disposition(text)
        assert name is None or name == shown_name(name)


def test_paths_name_files() -> None:
    assert from_path("/a/b%20c.mp3") == "b c.mp3"
    assert from_path("/a/%2e%2e%2fx.mp3") == "x.mp3"
    assert from_path("/") is None
