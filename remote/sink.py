"""Where a download goes, and what it may take: bytes, seconds, and somebody's patience."""

from __future__ import annotations

import errno
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from speech.errors import DownloadFailed, FileTooLarge, JobCancelled, StorageFull

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Error numbers of a disk that takes no more."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The time that a download has, and whether anybody still wants it. ``until`` is on the monotonic clock."""

    seconds: float
    until: float
    cancelled: Callable[[], bool] | None = None
    what: str = "download"

    @classmethod
    def of(cls, seconds: float, cancelled: Callable[[], bool] | None, what: str = "download") -> Budget:
        """So many seconds from now; ``what`` is what messages call it."""
        return cls(seconds, time.monotonic() + seconds, cancelled, what)

    @property
    def left(self) -> float:
        """Seconds that are left; negative when they are spent."""
        return self.until - time.monotonic()

    def check(self) -> None:
        """JobCancelled when nobody wants it any more, DownloadFailed when the time is spent."""
        if self.cancelled is not None and self.cancelled():
            raise JobCancelled("The download was cancelled.")
        if self.left <= 0:
            raise DownloadFailed(f"The {self.what} took longer than {self.seconds:g} seconds.")


class Sink:
    """A file that appears whole or not at all: written as ``<name>.part``, counted, hashed, renamed at the end."""

    def __init__(self, target: Path, max_bytes: int, budget: Budget, shown: str) -> None:
        self.target = target
        self.size_bytes = 0
        self._part = target.with_name(f"{target.name}.part")
        self._max_bytes = max_bytes
        self._budget = budget
        self._shown = shown
        self._digest = hashlib.sha256()
        self._file: IO[bytes] | None = None

    @property
    def sha256(self) -> str:
        """The hash of what was written, in hex."""
        return self._digest.hexdigest()

    def expect(self, size_bytes: int) -> None:
        """Refuse at once what says itself that it is too large; FileTooLarge."""
        if size_bytes > self._max_bytes:
            raise FileTooLarge(f"{self._shown} is larger than {self._max_bytes} bytes, the most that is taken here.")

    def write(self, block: bytes) -> None:
        """Take a block; FileTooLarge, StorageFull, JobCancelled, DownloadFailed when the time is spent."""
        self._budget.check()
        self.expect(self.size_bytes + len(block))
        if self._file is None:
            raise ValueError("the sink is not open")
        try:
            self._file.write(block)
        except OSError as error:
            raise _ours(error, self.target) from error
        self.size_bytes += len(block)
        self._digest.update(block)

    def __enter__(self) -> Self:
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._part.open("wb")
        except OSError as error:
            raise _ours(error, self.target) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._close()
            if kind is None:
                self._part.replace(self.target)
        finally:
            self._part.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                raise _ours(error, self.target) from error


def _ours(error: OSError, target: Path) -> Exception:
    if error.errno in FULL:
        return StorageFull(f"The disk of {target.parent} is full: free some space.")
    return error
