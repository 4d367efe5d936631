"""The body of an upload, taken apart while it streams: bytes go to storage as they come, never into memory.

Everything here is synchronous and runs in threads, one call after another; the event loop only reads the socket.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.filenames import name_in
from api.refusals import FieldError, InvalidRequest, MalformedBody, Refused, TooManyFiles, UnsupportedMediaType
from speech.errors import FileTooLarge
from speech.filenames import shown_name
from storage.blobs import Blobs

FIELD = "files"
_HEADERS_OF_A_PART = 16
_HEADER_BYTES = 16 * 1024
_LONGEST_TYPE = 200


@dataclass(frozen=True, slots=True)
class Received:
    """A file whose bytes are stored under ``blob_key``."""

    file_id: str
    filename: str
    content_type: str
    size_bytes: int
    sha256: str
    blob_key: str


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """How much one upload may bring; ``file_bytes`` each file."""

    files: int
    file_bytes: int


class _Writer(Protocol):
    def write(self, data: bytes, /) -> Any: ...


class _Incoming:
    """The file that is being received: its bytes go to the blob and into the digest."""

    def __init__(self, blobs: Blobs, file_id: str, key: str, filename: str, content_type: str, limit: int) -> None:
        self._file_id = file_id
        self._key = key
        self.filename = filename
        self._content_type = content_type
        self._limit = limit
        self._size = 0
        self._digest = hashlib.sha256()
        self._context: AbstractContextManager[_Writer] = blobs.writer(key)
        self._writer = self._context.__enter__()

    def write(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise FileTooLarge(f"{self.filename}: a file may have {self._limit} bytes at most.")
        self._digest.update(data)
        self._writer.write(data)

    def close(self) -> Received:
        self._context.__exit__(None, None, None)
        return Received(
            self._file_id, self.filename, self._content_type, self._size, self._digest.hexdigest(), self._key
        )

    def discard(self) -> None:
        error = Discarded()
        try:
            self._context.__exit__(Discarded, error, None)
        except Discarded:
            return


class Discarded(Exception):
    """Tells a blob's writer that its bytes are not wanted."""


class Reception:
    """One upload. Call :meth:`feed` with the body piece by piece, then :meth:`finish`; else :meth:`discard`."""

    def __init__(
        self, blobs: Blobs, content_type: str, limits: UploadLimits, new_id: Callable[[], str], folder: str
    ) -> None:
        """Blobs go to ``folder/<file id>/audio``.

        Raises:
            UnsupportedMediaType: the body is no multipart form.
            MalformedBody: the form names no boundary, or an unlawful one.

        """
        self._blobs = blobs
        self._limits = limits
        self._new_id = new_id
        self._folder = folder
        self._turn = threading.Lock()
        self._current: _Incoming | None = None
        self._received: list[Received] = []
        self._keys: list[str] = []
        self._header = (bytearray(), bytearray())
        self._headers: dict[bytes, bytes] = {}
        self._ended = False
        self._closed = False
        self._parser = self._new_parser(content_type)

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body.

        Raises:
            FileTooLarge, TooManyFiles, StorageFull: while they come.
            MalformedBody, InvalidRequest: the form is broken, or holds another field than ``files``.

        """
        with self._turn:
            if self._closed:
                return
            try:
                self._parser.write(data)
            except FormParserError:
                raise MalformedBody("The multipart body is broken: its boundaries or headers are not lawful.") from None

    def finish(self) -> list[Received]:
        """The files, all stored.

        Raises:
            MalformedBody: the body ends before the form does.
            InvalidRequest: there is no file in it.

        """
        with self._turn:
            if not self._ended or self._current is not None:
                raise MalformedBody("The multipart body ends too early: its closing boundary is missing.")
            if not self._received:
                raise InvalidRequest(
                    "The upload holds no file: send one to "
                    f"{self._limits.files} files in the field `{FIELD}`, as curl does with `-F {FIELD}=@talk.mp3`.",
                    [FieldError(FIELD, "Field required", "missing")],
                )
            return list(self._received)

    def discard(self) -> None:
        """Leave nothing of this upload in storage."""
        with self._turn:
            self._closed = True
            if self._current is not None:
                self._current.discard()
                self._current = None
            for key in self._keys:
                self._blobs.delete(key)
            self._keys.clear()

    def _new_parser(self, content_type: str) -> MultipartParser:
        media_type, options = parse_options_header(content_type)
        if media_type != b"multipart/form-data":
            raise UnsupportedMediaType("Send the files as `Content-Type: multipart/form-data`.")
        boundary = options.get(b"boundary", b"")
        if not boundary:
            raise MalformedBody("The Content-Type names no boundary; let the HTTP library set that header.")
        try:
            return MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part,
                    "on_header_field": self._on_header_name,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers,
                    "on_part_data": self._on_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
                max_header_count=_HEADERS_OF_A_PART,
                max_header_size=_HEADER_BYTES,
            )
        except FormParserError:
            raise MalformedBody("The boundary of the multipart body is too long.") from None

    def _on_part(self) -> None:
        self._headers = {}

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _on_header_end(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def _on_headers(self) -> None:
        filename = self._filename()
        if len(self._received) >= self._limits.files:
            raise TooManyFiles(f"An upload may bring {self._limits.files} files at most.")
        file_id = self._new_id()
        key = f"{self._folder}/{file_id}/audio"
        self._keys.append(key)
        self._current = _Incoming(
            self._blobs, file_id, key, shown_name(filename), self._content_type(), self._limits.file_bytes
        )

    def _filename(self) -> str:
        disposition = self._headers.get(b"content-disposition", b"")
        _, options = parse_options_header(disposition.decode("latin-1"))
        field = options.get(b"name", b"").decode("utf-8", "replace")
        if field != FIELD:
            raise _refused_field(field, f"Unknown field: files are sent in `{FIELD}`, and nothing else is taken.")
        name = name_in(disposition, options.get(b"filename"))
        if name is None:
            raise _refused_field(field, f"The field holds text, not a file; with curl write `-F {FIELD}=@talk.mp3`.")
        return name

    def _content_type(self) -> str:
        given = self._headers.get(b"content-type", b"").decode("latin-1").strip()
        lawful = given.isascii() and given.isprintable() and 0 < len(given) <= _LONGEST_TYPE
        return given if lawful else "application/octet-stream"

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._current is not None:
            self._current.write(data[start:end])

    def _on_part_end(self) -> None:
        if self._current is not None:
            self._received.append(self._current.close())
            self._current = None

    def _on_end(self) -> None:
        self._ended = True


def _refused_field(field: str, message: str) -> Refused:
    name = shown_name(field)
    return InvalidRequest(f"{name}: {message}", [FieldError(name, message, "unknown_field")])
