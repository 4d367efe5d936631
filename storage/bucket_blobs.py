"""Blobs in an S3 bucket, or in anything that speaks S3.

An object appears when its upload is complete, so writes are atomic by themselves; an upload that fails is aborted.
A bucket that does not answer is BlobsUnusable, whatever the libraries between call it.
"""

from __future__ import annotations

import errno
import io
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from speech.errors import StorageFull
from storage.blobs import COPY_BYTES, BlobEntry, BlobFolder, BlobsUnusable, Writer, missing
from storage.local_blobs import replacing, room_or_refusal

_LISTED = 1000
_PART_BYTES = 16 * 1024 * 1024  # S3 takes 10,000 parts: this is good for 160 GB
_AWAY = {errno.EBUSY, errno.EIO, getattr(errno, "EREMOTEIO", errno.EIO)}
"""What s3fs makes of 503 and SlowDown, of answers that it does not know, and of 500."""
_FULL = ("QuotaExceeded", "EntityTooLarge", "InsufficientStorage", "XMinioStorageFull")


class BucketFolder(BlobFolder):
    """A prefix of a bucket; ``options`` are s3fs's (key, secret, endpoint_url, client_kwargs ...)."""

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        import fsspec

        self._root = url.removeprefix("s3://").strip("/")
        try:
            # Listings are not cached: other processes write here too.
            self._files = fsspec.filesystem("s3", **({"use_listings_cache": False} | options))
        except ImportError as error:
            raise BlobsUnusable("Blobs in S3 need the extra: pip install 'world-of-asr[s3]'.") from error

    def read(self, key: str) -> bytes:
        """All bytes; BlobMissing."""
        with self.open(key) as source:
            return source.read()

    def open(self, key: str) -> BinaryIO:
        """A seekable reader; BlobMissing."""
        if self.size(key) is None:  # s3fs would open a folder as well
            raise missing(key)
        try:
            with _answering():
                found = self._files.open(self._path(key), "rb", block_size=_PART_BYTES)
        except FileNotFoundError:
            raise missing(key) from None
        return cast(BinaryIO, io.BufferedReader(_Reading(found), COPY_BYTES))

    @contextmanager
    def writer(self, key: str) -> Iterator[Writer]:
        """A block that writes the blob; when it raises, nothing was written."""
        with _answering():
            target = self._files.open(self._path(key), "wb", block_size=_PART_BYTES, autocommit=False)
        try:
            yield _Writing(target)
            with _answering():
                # What is left is sent as the last part; only commit makes the object appear.
                target.close()
                target.commit()
        except BaseException:
            try:
                with _answering():
                    target.discard()
            finally:
                target.closed = True  # else the garbage collector would finish the upload
            raise

    def put(self, path: Path, key: str) -> None:
        """Copy a local file in."""
        with path.open("rb") as source, self.writer(key) as target:
            while block := source.read(COPY_BYTES):
                target.write(block)

    def get(self, key: str, path: Path) -> None:
        """Copy the blob to a local file; BlobMissing."""
        with self.open(key) as source, room_or_refusal(), replacing(path, path.parent) as target:
            shutil.copyfileobj(source, target, COPY_BYTES)

    def size(self, key: str) -> int | None:
        """Bytes of the blob, None when there is none."""
        try:
            with _answering():
                found = self._files.info(self._path(key))
        except FileNotFoundError:
            return None
        return int(found["size"]) if found["type"] == "file" else None

    def delete(self, key: str) -> None:
        """Remove the blob, if it is there."""
        if self.size(key) is not None:
            with _answering():
                self._files.rm_file(self._path(key))

    def delete_folder(self, folder: str) -> int:
        """Remove all that lies under the folder; how many blobs that were."""
        found = [self._path(key) for key in self.keys(folder)]
        if found:
            with _answering():
                self._files.rm(found)
        return len(found)

    def keys(self, folder: str) -> Iterator[str]:
        """The keys under the folder, sorted."""
        start = f"{self._root}/{folder}" if folder else self._root
        with _answering():
            found = sorted(self._files.find(start))
        for path in found:
            yield path.removeprefix(f"{self._root}/")

    def entries(self, folder: str) -> Iterator[BlobEntry]:
        """What lies under the folder, page by page."""
        bucket, _, prefix = self._root.partition("/")
        start = "/".join(part for part in (prefix, folder) if part)
        asked = {"Bucket": bucket, "Prefix": f"{start}/" if start else "", "MaxKeys": _LISTED}
        while True:
            with _answering():
                page = self._files.call_s3("list_objects_v2", **asked)
            for found in page.get("Contents", ()):
                key = found["Key"].removeprefix(f"{prefix}/" if prefix else "")
                yield BlobEntry(key, int(found["Size"]), found["LastModified"])
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def sweep(self, before: datetime) -> tuple[int, int]:
        """An upload that was never completed is no object; a rule of the bucket's life cycle removes its parts."""
        return 0, 0

    def local_path(self, key: str) -> Path | None:
        """A bucket has no local files."""
        return None

    def check(self) -> None:
        """Whether one can write here."""
        try:
            with self.writer("check") as target:
                target.write(b"woa")
            self.delete("check")
        except OSError as error:
            raise BlobsUnusable(
                f"Blobs cannot be written to s3://{self._root}: {error}. Check WOA_BLOB_URL."
            ) from error

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"


class _Writing:
    """An upload whose bucket may be full, or go away."""

    def __init__(self, target: Any) -> None:
        self._target = target

    def write(self, data: bytes, /) -> int:
        with _answering():
            return int(self._target.write(data))


class _Reading(io.RawIOBase):
    """An object whose bucket may go away."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        with _answering():
            return int(self._source.readinto(buffer))

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return int(self._source.seek(offset, whence))

    def tell(self) -> int:
        return int(self._source.tell())

    def close(self) -> None:
        self._source.close()
        super().close()


@contextmanager
def _answering() -> Iterator[None]:
    """Around calls of the bucket alone: StorageFull when it takes no more, BlobsUnusable when it does not answer."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and _is_full(error):
            raise StorageFull("The bucket takes no more bytes; delete results or files, or raise its quota.") from error
        if _is_away(error):
            raise BlobsUnusable(
                f"The bucket of the blobs does not answer ({type(error).__name__}). Check WOA_BLOB_URL and its server."
            ) from error
        raise


def _is_full(error: OSError) -> bool:
    return error.errno in (errno.ENOSPC, errno.EDQUOT) or any(word in str(error) for word in _FULL)


def _is_away(error: Exception) -> bool:
    from aiohttp import ClientError
    from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]

    if isinstance(error, ConnectionError | TimeoutError | socket.gaierror | ClientError | BotoCoreError):
        return True
    return isinstance(error, OSError) and error.errno in _AWAY
