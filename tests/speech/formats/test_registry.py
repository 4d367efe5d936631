from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from speech.errors import UnsupportedOption
from speech.formats import FORMATS, UnknownFormat, find, names, render, resolve
from speech.options import SubtitleOptions
from tests.speech.build import spoken, transcript


def test_the_formats_of_the_contract() -> None:
    assert {name: (each.media_type, each.extension) for name, each in FORMATS.items()} == {
        "json": ("application/json", "json"),
        "vtt": ("text/vtt; charset=utf-8", "vtt"),
        "srt": ("application/x-subrip", "srt"),
        "txt": ("text/plain; charset=utf-8", "txt"),
        "tsv": ("text/tab-separated-values; charset=utf-8", "tsv"),
        "rttm": ("text/plain; charset=utf-8", "rttm"),
    }
    assert names() == tuple(FORMATS)
    assert all(each.name == name for name, each in FORMATS.items())


def test_resolve() -> None:
    assert resolve("all") == resolve(["all"]) == resolve(["vtt", "all"]) == names()
    assert resolve(["vtt", "json", "vtt"]) == ("vtt", "json")
    assert resolve("srt") == ("srt",)
    assert resolve([]) == ()


@pytest.mark.parametrize("wanted", [["vtt", "docx"], "docx", ["all", "docx"]])
def test_a_format_that_is_none_is_refused_by_name(wanted: str | list[str]) -> None:
    with pytest.raises(UnknownFormat, match="no format 'docx'; there are json, vtt, srt") as caught:
        resolve(wanted)
    assert isinstance(caught.value, UnsupportedOption)
    assert (caught.value.code, caught.value.field) == ("unknown_format", "output_formats")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.message, again.field) == (caught.value.message, "output_formats")


def test_a_long_name_does_not_fill_the_message() -> None:
    with pytest.raises(UnknownFormat) as caught:
        find("x" * 10_000)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("name", names())
def test_every_format_can_be_written_of_an_empty_and_of_a_broken_file_name(name: str) -> None:
    for whole in (transcript(), replace(transcript(spoken("Hello there.", speaker="A")), filename="caf\udce9.wav")):
        render(whole, name, SubtitleOptions()).encode("utf-8")


def test_render_refuses_what_it_does_not_know() -> None:
    with pytest.raises(UnknownFormat):
        render(transcript(), "VTT", SubtitleOptions())
