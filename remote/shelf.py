"""What ingestion does with a store of objects, whatever kind it is: list in pages, look, read, write, move, tag."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import IO

from speech.errors import UrlRefused

PAGE = 1000
"""Objects of a page, as S3 gives them."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as a listing shows it. ``key`` is literal; ``version`` another word whenever the bytes are others.

    ``changed_at`` is when it came or changed, by the clock of the store.
    """

    key: str
    version: str
    size_bytes: int
    changed_at: datetime


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
    def move(self, key: str, bucket: str, to: str) -> None:
        """Move an object within the store, over one that is there; one that was moved before is left where it is."""

    def tag(self, key: str, name: str, value: str) -> None:
        """Put a tag on an object, beside those that it has."""
        raise UrlRefused("This kind of store has no tags.")
