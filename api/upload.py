"""An upload from the first byte to the rows: streamed, looked at, recorded; all of its files, or none."""

from __future__ import annotations

import asyncio
import hashlib
from types import TracebackType

import structlog
from anyio import to_thread
from fastapi import Request

from api.bodies import chunks_of
from api.deps import Parts
from api.principal import Principal
from api.reception import FIELD, Received, Reception, UploadLimits
from api.refusals import AudioRefused, BodyTooLarge, FieldError
from audio.probe import Probe
from speech.clock import now
from speech.errors import InvalidAudio
from speech.jobs import StoredFile
from storage.ids import new_id

_PIECE = 1024 * 1024
"""Bytes that go to the storing thread at once."""
_FRAME = 64 * 1024
"""Bytes of headers and boundaries that a form may spend on each file."""
_log = structlog.get_logger("api.upload")


class Upload:
    """One upload of one caller, as an async context: what was not kept by its end is gone from storage.

    ::

        async with Upload(parts, principal, request) as upload:
            await upload.receive()
            files = await upload.keep()
    """

    def __init__(self, parts: Parts, principal: Principal, request: Request) -> None:
        settings = parts.settings
        self._parts = parts
        self._owner_id = principal.owner_id
        self._request = request
        self._limits = UploadLimits(settings.max_files_per_upload, settings.max_upload_bytes)
        self._reception = Reception(
            parts.store.blobs,
            request.headers.get("content-type", ""),
            self._limits,
            new_id,
            f"owners/{principal.owner_id}/files",
        )
        self._files: list[Received] = []
        self._rows: list[StoredFile] = []
        self._kept = False

    async def __aenter__(self) -> Upload:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._kept:
            # A cancelled request is no reason to leave bytes behind.
            await asyncio.shield(asyncio.ensure_future(self._discard()))

    async def receive(self) -> None:
        """Stream the body into storage.

        Raises:
            BodyTooLarge, FileTooLarge, TooManyFiles, StorageFull: as soon as it is known.
            MalformedBody, InvalidRequest: the form is broken, or not what this route takes.
            ClientDisconnect: the client went away.

        """
        self._check_declared_length()
        piece = bytearray()
        async for chunk in chunks_of(self._request):
            piece += chunk
            if len(piece) >= _PIECE:
                await to_thread.run_sync(self._reception.feed, bytes(piece))
                piece.clear()
        await to_thread.run_sync(self._reception.feed, bytes(piece))
        self._files = await to_thread.run_sync(self._reception.finish)

    def digest(self) -> str:
        """A digest of names, types and bytes: the same upload sent again has the same, whatever its boundary."""
        plain = repr([(file.filename, file.content_type, file.sha256) for file in self._files])
        return hashlib.sha256(plain.encode()).hexdigest()

    async def keep(self) -> list[StoredFile]:
        """Look at each file, and record all of them.

        Raises:
            AudioRefused: naming the files that hold no audio.

        """
        probes = await self._probe_all()
        moment = now()
        for file, probe in zip(self._files, probes, strict=True):
            row = StoredFile(
                file_id=file.file_id,
                owner_id=self._owner_id,
                filename=file.filename,
                size_bytes=file.size_bytes,
                content_type=file.content_type,
                duration=probe.duration,
                sample_rate=probe.sample_rate,
                channels=probe.channels,
                sha256=file.sha256,
                blob_key=file.blob_key,
                created_at=moment,
            )
            self._rows.append(row)
        await self._parts.store.files.add(*self._rows)
        self._kept = True
        return self._rows

    async def _probe_all(self) -> list[Probe]:
        found = await asyncio.gather(
            *(self._parts.prober.probe(file.blob_key) for file in self._files), return_exceptions=True
        )
        self._refuse([(index, error) for index, error in enumerate(found) if isinstance(error, InvalidAudio)])
        for error in found:
            if isinstance(error, BaseException):
                raise error
        return [probe for probe in found if isinstance(probe, Probe)]

    def _refuse(self, refused: list[tuple[int, InvalidAudio]]) -> None:
        if not refused:
            return
        errors = [
            FieldError(f"{FIELD}[{index}]", error.message, error.code, self._files[index].filename)
            for index, error in refused
        ]
        names = ", ".join(str(error.filename) for error in errors)
        raise AudioRefused(f"No audio can be decoded from {names}; nothing of this upload was kept.", errors)

    def _check_declared_length(self) -> None:
        declared = self._request.headers.get("content-length", "")
        most = self._limits.files * (self._limits.file_bytes + _FRAME)
        if declared.isdecimal() and int(declared) > most:
            raise BodyTooLarge(
                f"An upload may bring {self._limits.files} files of {self._limits.file_bytes} bytes at most."
            )

    async def _discard(self) -> None:
        await asyncio.to_thread(self._reception.discard)
        _log.info("upload discarded", files=len(self._files))
