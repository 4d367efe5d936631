"""Bytes by name: audio, step results, transcripts, in a local folder or an S3 bucket.

::

    owners/<owner_id>/files/<file_id>/audio
    owners/<owner_id>/steps/<step key>.json
    owners/<owner_id>/transcripts/<transcript_id>/transcript.json
    owners/<owner_id>/transcripts/<transcript_id>/rendered/<format>

Everything here is synchronous and safe in threads. A write is atomic: whoever reads a name sees the old bytes
or the new ones, whole; a write that fails leaves nothing.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from speech.errors import Blame, SpeechError
from storage.errors import BlobMissing

_KEY = re.compile(r"[A-Za-z0-9_\-][A-Za-z0-9_.\-]*(/[A-Za-z0-9_\-][A-Za-z0-9_.\-]*)*")
_MAX_KEY = 900  # S3 takes 1024 bytes, the prefix of the bucket included
COPY_BYTES = 1024 * 1024


class BlobKeyRefused(SpeechError):
    """A name that no blob may have."""

    code = "blob_key_refused"


class BlobsUnusable(SpeechError):
    """The folder or bucket of blobs cannot be used, or does not answer now."""

    code = "blobs_unusable"
    retryable = True
    blame = Blame.SERVER


@dataclass(frozen=True, slots=True)
class BlobEntry:
    """A blob in a listing; ``size`` in bytes, ``written_at`` when it appeared."""

    key: str
    size: int
    written_at: datetime


class Writer(Protocol):
    """What a block writes a blob with."""

    def write(self, data: bytes, /) -> int:
        """Append bytes; StorageFull when there is no room."""


class BlobFolder(ABC):
    """Where blobs lie; keys are already checked."""

    @abstractmethod
    def read(self, key: str) -> bytes:
        """All bytes; BlobMissing."""

    @abstractmethod
    def open(self, key: str) -> BinaryIO:
        """A seekable reader; BlobMissing."""

    @abstractmethod
    def writer(self, key: str) -> AbstractContextManager[Writer]:
        """A block that writes the blob; when it raises, nothing was written."""

    @abstractmethod
    def put(self, path: Path, key: str) -> None:
        """Copy a local file in."""

    @abstractmethod
    def get(self, key: str, path: Path) -> None:
        """Copy the blob to a local file; BlobMissing."""

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Bytes of the blob, None when there is none."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove the blob, if it is there."""

    @abstractmethod
    def delete_folder(self, folder: str) -> int:
        """Remove all that lies under the folder; how many blobs that were."""

    @abstractmethod
    def keys(self, folder: str) -> Iterator[str]:
        """The keys under the folder, sorted; all of them for ``""``."""

    @abstractmethod
    def entries(self, folder: str) -> Iterator[BlobEntry]:
        """What lies under the folder, in no order, read bit by bit: there may be millions."""

    @abstractmethod
    def sweep(self, before: datetime) -> tuple[int, int]:
        """Remove what writers that died before then left unfinished; how many files and bytes that were."""

    @abstractmethod
    def local_path(self, key: str) -> Path | None:
        """The blob as a local file, when it lies in one."""

    @abstractmethod
    def check(self) -> None:
        """Whether one can write here; StorageFull or BlobsUnusable."""


class Blobs:
    """The blobs of an installation, by the folder's path or ``s3://bucket/prefix``, with fsspec's options for it."""

    def __init__(self, url: str, options: dict[str, Any] | None = None) -> None:
        self.url = url
        self._folder = _folder(url, options or {})

    def write(self, key: str, data: bytes) -> None:
        """Store the bytes, replacing what was there; StorageFull."""
        with self.writer(key) as target:
            target.write(data)

    def read(self, key: str) -> bytes:
        """All bytes of a blob; BlobMissing."""
        return self._folder.read(checked(key))

    def put(self, path: Path, key: str) -> None:
        """Store a local file's bytes; StorageFull."""
        self._folder.put(path, checked(key))

    def get(self, key: str, path: Path) -> None:
        """Copy a blob to a local file, whole or not at all; BlobMissing, StorageFull."""
        self._folder.get(checked(key), path)

    def open(self, key: str) -> BinaryIO:
        """A seekable reader of a blob; BlobMissing."""
        return self._folder.open(checked(key))

    def writer(self, key: str) -> AbstractContextManager[Writer]:
        """A block that streams a blob in: it appears, whole, when the block ends; nothing stays when it raises."""
        return self._folder.writer(checked(key))

    def exists(self, key: str) -> bool:
        """Whether there is such a blob."""
        return self._folder.size(checked(key)) is not None

    def size(self, key: str) -> int:
        """Bytes of a blob; BlobMissing."""
        size = self._folder.size(checked(key))
        if size is None:
            raise missing(key)
        return size

    def delete(self, key: str) -> None:
        """Remove a blob; that it is not there is no error."""
        self._folder.delete(checked(key))

    def delete_prefix(self, prefix: str) -> int:
        """Remove all blobs under a folder such as ``owners/x/transcripts/y/``; how many that were."""
        return self._folder.delete_folder(checked(prefix.removesuffix("/")))

    def keys(self, prefix: str = "") -> list[str]:
        """The keys under a folder, sorted; of all blobs by default."""
        return list(self._folder.keys(checked(prefix.removesuffix("/")) if prefix else ""))

    def entries(self, prefix: str = "") -> Iterator[BlobEntry]:
        """The blobs under a folder, in no order and in bounded memory; those that go meanwhile may be missing."""
        return self._folder.entries(checked(prefix.removesuffix("/")) if prefix else "")

    def sweep(self, before: datetime) -> tuple[int, int]:
        """Remove what writers that died before then left unfinished; how many files and bytes that were."""
        return self._folder.sweep(before)

    def local_path(self, key: str) -> Path | None:
        """The local file that holds a blob; None when there is none or blobs are elsewhere. Never write to it."""
        return self._folder.local_path(checked(key))

    def check(self) -> None:
        """Find out by a small write whether blobs can be stored; StorageFull or BlobsUnusable."""
        self._folder.check()


def checked(key: str) -> str:
    """The key, when a blob may have it: no absolute path, no ``..``, no odd characters; else BlobKeyRefused."""
    if len(key) > _MAX_KEY or not _KEY.fullmatch(key):
        raise BlobKeyRefused("Blob names are words of letters, digits, '.', '_' and '-', parted by single slashes.")
    return key


def missing(key: str) -> SpeechError:
    """The error for a blob that is not there."""
    return BlobMissing(f"There is no blob {key}; it was deleted or never written.")


def _folder(url: str, options: dict[str, Any]) -> BlobFolder:
    scheme, found, _ = url.partition("://")
    if not found or scheme == "file":
        from storage.local_blobs import LocalFolder

        return LocalFolder(Path(url.removeprefix("file://")))
    if scheme == "s3":
        from storage.bucket_blobs import BucketFolder

        return BucketFolder(url, options)
    raise BlobsUnusable(f"WOA_BLOB_URL names {scheme}://, which is not supported; give a folder or s3://bucket/prefix.")
