"""What ingestion does with a store of objects, whatever kind it is: list in pages, look, read, write, move, tag."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import IO

from speech.errors import SourceChanged, UrlRefused

PAGE = 1000
"""Objects of a page, as S3 gives them."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as a listing shows it. ``key`` is literal; ``version`` another word whenever the bytes are others.

    ``changed_at`` is when it came or changed, by the clock of the store; ``at_rest`` is False while it may still be
    written: then it is no recording yet.
    """

    key: str
    version: str
    size_bytes: int
    changed_at: datetime
    at_rest: bool = True


def beside(key: str, version: str) -> str:
    """A name for this version next to the key: ``call.wav`` becomes ``call.1f0c83aa.wav``."""
    folder, slash, name = key.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    short = hashlib.sha256(version.encode()).hexdigest()[:8]
    return f"{folder}{slash}{stem}.{short}{dot}{ending}" if stem else f"{folder}{slash}{name}.{short}"


def want_version(found: Listed, version: str) -> None:
    """Raise SourceChanged unless the object is of this version."""
    if found.version != version:
        raise SourceChanged("The object was written anew after it was met; the new version is a job of its own.")


class Shelf(ABC):
    """One bucket, or the folders of this machine; keys are literal and begin without a slash.

    Whatever goes wrong is UrlNotFound or UrlRefused, which are final, or DownloadFailed, which may pass.
    """

    unreadable = 0
    """Folders and files below the last one listed that this server's user may not look into."""

    @abstractmethod
    def pages(self, folder: str, size: int = PAGE) -> Iterator[list[Listed]]:
        """All objects below a folder, a page at a time: never more than one page is in memory."""

    @abstractmethod
    def look(self, key: str) -> Listed:
        """The object as it is now; UrlNotFound."""

    @abstractmethod
    def reading(self, key: str) -> AbstractContextManager[IO[bytes]]:
        """The object's bytes, from front to end."""

    @abstractmethod
    def write(self, key: str, content: bytes) -> None:
        """Write an object: whole or not at all, over one that is there."""

    @abstractmethod
    def move(self, key: str, bucket: str, to: str, version: str) -> None:
        """Move this version of an object within the store; one that was moved before is left where it is.

        Where another version lies at the target, both stay: the name gets a part of its own (see ``beside``).

        Raises:
            SourceChanged: when another version lies there now; it stays.

        """

    def tag(self, key: str, name: str, value: str) -> None:
        """Put a tag on an object, beside those that it has."""
        raise UrlRefused("This kind of store has no tags.")
