"""Objects in buckets: which may be read, and reading them through fsspec.

A bucket URL is literal: no query, no escapes are undone, no ``..``. ``file://`` and everything else is no bucket.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from speech.errors import DownloadFailed, UrlNotFound, UrlRefused

BUCKETS = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}
"""Schemes of buckets, and the package that reads them."""
EXTRAS = {"s3": "s3", "gs": "gcs", "az": "azure"}
"""The extra of ours that brings it."""

_BUCKET = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$")
_FOREIGN = (
    ("botocore.exceptions", "BotoCoreError"),
    ("aiohttp", "ClientError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("azure.core.exceptions", "AzureError"),
    ("gcsfs.retry", "HttpError"),
)
_UNCLEAN = re.compile(r"[\x00-\x1f\x7f\\?#]")


@dataclass(frozen=True, slots=True)
class BucketUrl:
    """An object, or as an allowed prefix a whole folder. ``key`` never begins with a slash."""

    scheme: str
    bucket: str
    key: str

    @property
    def path(self) -> str:
        """Bucket and key, as fsspec names them."""
        return f"{self.bucket}/{self.key}"


def parse_bucket(url: str) -> BucketUrl:
    """Take ``s3://bucket/key`` apart; UrlRefused when something in it could be read in two ways."""
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme.lower() not in BUCKETS:
        raise UrlRefused(f"{scheme[:20]} is no scheme of buckets: s3, gs and az are.")
    if not _BUCKET.match(bucket):
        raise UrlRefused("The bucket's name is none that there can be.")
    if _UNCLEAN.search(key) or key.startswith("/") or "//" in key:
        raise UrlRefused("The object's name holds characters that are not accepted here.")
    if any(part in {".", ".."} for part in key.split("/")):
        raise UrlRefused("The object's name climbs out of its folder.")
    return BucketUrl(scheme.lower(), bucket, key)


def matches(url: BucketUrl, prefix: BucketUrl) -> bool:
    """Whether the object lies under the prefix; a prefix ends where a name ends, never in the middle of one."""
    if (url.scheme, url.bucket) != (prefix.scheme, prefix.bucket):
        return False
    folder = prefix.key.rstrip("/")
    return not folder or url.key == folder or url.key.startswith(f"{folder}/")


@contextmanager
def opened(url: BucketUrl, options: dict[str, Any], block_bytes: int) -> Iterator[IO[bytes]]:
    """The object as a file to be read once from front to end; UrlNotFound, UrlRefused, DownloadFailed.

    The same errors stand for what happens while it is read inside the block.
    """
    system = filesystem(url.scheme, options)
    with object_errors(url), system.open(url.path, "rb", block_size=block_bytes, cache_type="readahead") as file:
        yield file


def filesystem(scheme: str, options: dict[str, Any]) -> Any:
    """The file system of fsspec for a scheme; UrlRefused says which package is missing."""
    fsspec = importlib.import_module("fsspec")
    if scheme == "gs":
        # Else gcsfs asks Google's control plane about every bucket, whatever endpoint it is given.
        os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    try:
        return fsspec.filesystem(scheme, **options)
    except ImportError as error:
        raise UrlRefused(without_package(scheme)) from error


def without_package(scheme: str) -> str:
    """The sentence for a server that lacks what reads a scheme."""
    return (
        f"This server cannot read {scheme}:// URLs: the package {BUCKETS[scheme]} is not installed "
        f"(pip install 'world-of-asr[{EXTRAS[scheme]}]')."
    )


@contextmanager
def object_errors(url: BucketUrl) -> Iterator[None]:
    """The one place where the errors of bucket libraries become ours; what goes wrong on our own disk passes."""
    name = f"{url.scheme}://{url.bucket}/…/{url.key.rsplit('/', 1)[-1][:80]}"
    try:
        yield
    except FileNotFoundError as error:
        raise UrlNotFound(f"There is no object {name}.") from error
    except PermissionError as error:
        raise UrlNotFound(f"This server's credentials do not open {name}.") from error
    except _broken() as error:
        raise DownloadFailed(f"Reading {name} failed ({type(error).__name__}); it may work later.") from error


def _broken() -> tuple[type[Exception], ...]:
    # Only the libraries that are loaded can have raised anything.
    found = (getattr(sys.modules.get(module), name, None) for module, name in _FOREIGN)
    return OSError, *(error for error in found if isinstance(error, type) and issubclass(error, Exception))
