"""Transcripts as files: rendered early or now, with a name, an ETag and a media type; many of them as a zip."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from anyio import to_thread
from fastapi import Request
from starlette.responses import Response, StreamingResponse

from api.filenames import attachment, named_apart
from api.refusals import ResultExpired
from speech.codec import from_json
from speech.filenames import shown_name, stem_of
from speech.formats import FORMATS, Format, UnknownFormat, render
from speech.options import SubtitleOptions
from storage.blobs import Blobs
from storage.errors import BlobMissing
from storage.transcripts import TranscriptRow

_GONE = "The bytes of this transcript were deleted."
_CACHING = "private, no-cache"


@dataclass(frozen=True, slots=True)
class Download:
    """A transcript in one format."""

    row: TranscriptRow
    format: Format
    subtitles: SubtitleOptions

    @property
    def filename(self) -> str:
        """``call.mp3`` as VTT is ``call.vtt``."""
        return f"{stem_of(shown_name(self.row.filename))}.{self.format.extension}"

    def content(self, blobs: Blobs) -> bytes:
        """The bytes: those that were rendered early, else rendered from the stored transcript.

        Raises:
            ResultExpired: somebody deleted the transcript meanwhile.

        """
        folder = self.row.blob_key.rpartition("/")[0]
        try:
            return blobs.read(f"{folder}/rendered/{self.format.name}")
        except BlobMissing:
            return self._rendered(blobs)

    def _rendered(self, blobs: Blobs) -> bytes:
        try:
            stored = blobs.read(self.row.blob_key)
        except BlobMissing:
            raise ResultExpired(_GONE) from None
        return render(from_json(json.loads(stored)), self.format.name, self.subtitles).encode("utf-8")


def format_named(name: str) -> Format:
    """The format; UnknownFormat."""
    found = FORMATS.get(name)
    if found is None:
        raise UnknownFormat(f"There is no format {name[:64]!r}; there are {', '.join(FORMATS)}.", "format")
    return found


async def answer(request: Request, blobs: Blobs, download: Download) -> Response:
    """The file, or 304 when the client has it already."""
    content = await to_thread.run_sync(download.content, blobs)
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": _CACHING, "X-Content-Type-Options": "nosniff"}
    if _matches(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = attachment(download.filename)
    return Response(content, media_type=download.format.media_type, headers=headers)


def archive(name: str, blobs: Blobs, downloads: Sequence[Download]) -> Response:
    """A zip of the files, made while it is sent."""
    return StreamingResponse(
        _zip(blobs, downloads),
        media_type="application/zip",
        headers={"Content-Disposition": attachment(name), "Cache-Control": _CACHING},
    )


def _matches(header: str, etag: str) -> bool:
    candidates = [candidate.strip().removeprefix("W/") for candidate in header.split(",")]
    return "*" in candidates or etag in candidates


def _zip(blobs: Blobs, downloads: Sequence[Download]) -> Iterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, download in zip(named_apart(item.filename for item in downloads), downloads, strict=True):
            bundle.writestr(name, download.content(blobs))
            yield sink.taken()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """Takes what the zip writer writes, and gives it on."""

    def __init__(self) -> None:
        self._written = bytearray()
        self._length = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self._written += piece
        self._length += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._length

    def taken(self) -> bytes:
        piece = bytes(self._written)
        self._written.clear()
        return piece
