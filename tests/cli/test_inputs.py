"""What is transcribed, and where it goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.inputs import Input, NoSuchInput, find_inputs
from cli.outputs import Outputs


def test_folders_are_opened_and_nothing_is_named_twice(tmp_path: Path) -> None:
    folder = tmp_path / "calls"
    (folder / "deep").mkdir(parents=True)
    for name in ("b.MP3", "a.wav", "notes.txt", "deep/c.mkv"):
        (folder / name).touch()
    odd = tmp_path / "without-ending"
    odd.touch()
    found = find_inputs([str(folder), str(folder / "a.wav"), str(odd), "https://h.example/d%20e.ogg?sig=secret"])
    assert [each.name for each in found] == ["a.wav", "b.MP3", "c.mkv", "without-ending", "d e.ogg"]
    assert found[-1].url == "https://h.example/d%20e.ogg?sig=secret"
    assert "secret" not in found[-1].shown


def test_credentials_of_a_url_are_not_shown() -> None:
    (found,) = find_inputs(["https://me:secret@h.example/"])
    assert found.shown == "https://h.example/"
    assert found.name == "recording"


@pytest.mark.parametrize("missing", ["nothing.wav", "empty"])
def test_what_is_not_there_is_said(missing: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoSuchInput, match=missing):
        find_inputs([str(tmp_path / missing)])


def _input(path: Path) -> Input:
    return Input(str(path), path.name, path=path)


def test_results_lie_beside_the_input(tmp_path: Path) -> None:
    source = _input(tmp_path / "talk.mp3")
    paths = Outputs(None).write(source, {"vtt": b"v", "json": b"j"})
    assert paths == [tmp_path / "talk.vtt", tmp_path / "talk.json"]
    assert [path.read_bytes() for path in paths] == [b"v", b"j"]
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_results_of_a_url_lie_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (path,) = Outputs(None).write(Input("u", "a.mp3", url="https://h/a.mp3"), {"txt": b""})
    assert path.absolute() == tmp_path / "a.txt"


def test_same_names_never_replace_each_other(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "out", overwrite=True)
    inputs = [_input(tmp_path / folder / "talk.mp3") for folder in ("x", "y", "z")] + [_input(tmp_path / "talk.wav")]
    written = [outputs.write(source, {"vtt": source.shown.encode()})[0] for source in inputs]
    assert [path.name for path in written] == ["talk.vtt", "talk.mp3.vtt", "talk.mp3-2.vtt", "talk.wav.vtt"]
    assert [path.read_bytes() for path in written] == [source.shown.encode() for source in inputs]


def test_formats_of_one_input_keep_one_stem(tmp_path: Path) -> None:
    (tmp_path / "talk.srt").write_text("mine")
    paths = Outputs(None).write(_input(tmp_path / "talk.mp3"), {"vtt": b"v", "srt": b"s"})
    assert [path.name for path in paths] == ["talk.mp3.vtt", "talk.mp3.srt"]
    assert (tmp_path / "talk.srt").read_text() == "mine"


def test_earlier_results_are_replaced_only_when_told(tmp_path: Path) -> None:
    source = _input(tmp_path / "talk.mp3")
    Outputs(None).write(source, {"vtt": b"old"})
    assert Outputs(None).write(source, {"vtt": b"new"})[0].name == "talk.mp3.vtt"
    assert Outputs(None, overwrite=True).write(source, {"vtt": b"new"})[0].name == "talk.vtt"
    assert (tmp_path / "talk.vtt").read_bytes() == b"new"


def test_an_input_is_never_overwritten(tmp_path: Path) -> None:
    source = tmp_path / "talk.json"
    source.write_bytes(b"audio, though one would not think so")
    (path,) = Outputs(None, overwrite=True).write(_input(source), {"json": b"{}"})
    assert path.name == "talk.json.json"
    assert source.read_bytes().startswith(b"audio")


def test_a_dangling_link_counts_as_there(tmp_path: Path) -> None:
    (tmp_path / "talk.vtt").symlink_to(tmp_path / "elsewhere")
    (path,) = Outputs(None).write(_input(tmp_path / "talk.mp3"), {"vtt": b"v"})
    assert path.name == "talk.mp3.vtt"
    assert not (tmp_path / "elsewhere").exists()


@given(st.lists(st.sampled_from(["a.mp3", "a.wav", "a", "b.mp3", ".hidden"]), max_size=12))
def test_every_result_has_a_file_of_its_own(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("out")
    outputs = Outputs(folder)
    written = [
        outputs.write(Input(name, name, url=f"https://h/{name}"), {"vtt": bytes([number]), "srt": bytes([number])})
        for number, name in enumerate(names)
    ]
    assert len({path for paths in written for path in paths}) == 2 * len(names)
    assert all(path.read_bytes() == bytes([number]) for number, paths in enumerate(written) for path in paths)
