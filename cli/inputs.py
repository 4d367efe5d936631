"""What `woa transcribe` is given: files, folders of them, URLs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from speech.errors import SpeechError

MEDIA = frozenset(
    f".{ending}"
    for line in (
        "3gp aac ac3 aif aifc aiff amr ape au avi caf flac flv g722 gsm m2ts m4a m4b m4v mka mkv mov mp2 mp3 mp4 mpeg",
        "mpg mts oga ogg ogv opus ra rm sln spx tta ts voc vob w64 wav webm wma wmv wv",
    )
    for ending in line.split()
)
"""Endings by which media files in folders are known; a file that is named itself may have any."""


class NoSuchInput(SpeechError):
    """There is nothing to transcribe under that name."""

    code = "no_such_input"


@dataclass(frozen=True, slots=True)
class Input:
    """One recording: a file here, or a URL. ``name`` is the file name that results are called after."""

    shown: str
    name: str
    path: Path | None = None
    url: str | None = None


def find_inputs(given: Sequence[str]) -> list[Input]:
    """The recordings that the arguments mean, folders opened, each one once.

    Raises:
        NoSuchInput: for a path that does not exist and a folder without media files.

    """
    found: dict[str, Input] = {}
    for argument in given:
        for each in _meant(argument):
            found.setdefault(str(each.path.resolve()) if each.path else argument, each)
    return list(found.values())


def _meant(argument: str) -> Iterator[Input]:
    if "://" in argument:
        yield _remote(argument)
        return
    path = Path(argument)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in MEDIA and file.is_file())
        if not files:
            raise NoSuchInput(f"The folder {argument} holds no media files.")
        yield from (Input(str(file), file.name, path=file) for file in files)
        return
    if not path.exists():
        raise NoSuchInput(f"There is no file {argument}.")
    yield Input(argument, path.name, path=path)


def _remote(url: str) -> Input:
    parts = urlsplit(url)
    name = Path(unquote(parts.path)).name or "recording"
    return Input(f"{parts.scheme}://{parts.hostname or ''}{parts.path}", name, url=url)
