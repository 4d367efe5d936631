"""The keys that an object lists, as JSON Lines or as CSV, read line by line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import IO

from speech.errors import UrlRefused

_LONGEST_LINE = 64 * 1024
_JSON = (".jsonl", ".ndjson", ".json")
_KEY = "key"


def keys_of(name: str, content: IO[bytes]) -> Iterator[str | None]:
    """Each key, as it is written there; None for a line that names none.

    JSON Lines: ``"a.wav"`` or ``{"key": "a.wav"}``. CSV: the column ``key``, or the first where no line names columns.
    """
    lines = _lines(content)
    yield from _of_json(lines) if name.lower().endswith(_JSON) else _of_csv(lines)


def _lines(content: IO[bytes]) -> Iterator[str]:
    buffered = io.BufferedReader(_Raw(content))
    while line := buffered.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise UrlRefused("The manifest holds a line that is longer than 64 KiB: it is no manifest.")
        text = line.decode("utf-8", "surrogateescape").lstrip("\ufeff")
        if text.strip():
            yield text


def _of_json(lines: Iterator[str]) -> Iterator[str | None]:
    for line in lines:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            yield None
            continue
        key = found.get(_KEY) if isinstance(found, dict) else found
        yield key if isinstance(key, str) and key else None


def _of_csv(lines: Iterator[str]) -> Iterator[str | None]:
    column: int | None = None
    try:
        for row in csv.reader(lines):
            if column is None:
                names = [name.strip().lower() for name in row]
                column = names.index(_KEY) if _KEY in names else 0
                if _KEY in names:
                    continue
            yield row[column] if len(row) > column and row[column] else None
    except csv.Error as error:
        raise UrlRefused("The manifest is no CSV that can be read.") from error


class _Raw(io.RawIOBase):
    """Any readable object, as the base of a buffer that has lines."""

    def __init__(self, content: IO[bytes]) -> None:
        self._content = content

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        given = self._content.read(len(buffer))
        buffer[: len(given)] = given
        return len(given)
