"""Models in memory: loaded once, shared by whoever works, thrown out when nobody does.

A model is borrowed for as long as a piece of work lasts. Those who ask for a model that is being loaded wait for
that one load; when it fails they all fail, and the next to ask loads anew. What nobody uses is thrown out when it
was idle for long enough, or, least recently used first, when another model needs the memory. When all that is
loaded is in use, a newcomer waits for memory, and whoever comes later waits behind it: a busy model cannot keep
another one out for ever. So nobody may borrow a model while holding another of the same pool.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from engine.waiting import Cancelled, Line, wait_until
from speech.errors import JobCancelled, ModelUnavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """One model in memory: its key, its size in bytes as estimated, and how many work with it now."""

    key: Hashable
    size_bytes: int
    users: int


@dataclass(frozen=True, slots=True)
class PoolStats:
    """What happened since the start, and what is in memory now, least recently used first.

    A hit is a borrowing that found its model loaded or being loaded.
    """

    loads: int = 0
    hits: int = 0
    failures: int = 0
    evictions: int = 0
    idle_unloads: int = 0
    models: tuple[LoadedModel, ...] = ()


@dataclass(slots=True, eq=False)
class _Entry:
    key: Hashable
    size_bytes: int
    users: int = 0
    used_at: float = 0.0
    loaded: bool = False
    value: Any = None
    failure: BaseException | None = None

    def settled(self) -> bool:
        """Whether the load has come to an end, good or bad."""
        return self.loaded or self.failure is not None


@dataclass(slots=True)
class _Counts:
    loads: int = 0
    hits: int = 0
    failures: int = 0
    evictions: int = 0
    idle_unloads: int = 0


@dataclass(slots=True)
class _Claim:
    """What a borrower got: an entry, and whether it is the one who must load it."""

    entry: _Entry | None = None
    mine: bool = False


class ModelPool:
    """Models that threads share, within ``memory_bytes``; unused ones leave after ``idle_seconds`` (0: never)."""

    def __init__(
        self, memory_bytes: int, idle_seconds: float = 0.0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.memory_bytes = memory_bytes
        self.idle_seconds = idle_seconds
        self._clock = clock
        self._changed = threading.Condition()
        self._line = Line(self._changed)
        self._entries: dict[Hashable, _Entry] = {}
        self._counts = _Counts()
        self._reaper: threading.Thread | None = None
        self._closed = False

    @contextmanager
    def borrow(
        self, key: Hashable, load: Callable[[], T], size_bytes: int, *, cancelled: Cancelled | None = None
    ) -> Iterator[T]:
        """The model named ``key``, from memory or by ``load``; it stays in memory until the block ends.

        Raises:
            ModelUnavailable: when ``size_bytes`` is more than the pool may hold at all, or the pool was closed.
            JobCancelled: when ``cancelled`` says so while waiting for memory or for another's load.
            Exception: whatever ``load`` raises, here and at everybody who waited for it; only when the loader's own
                job was cancelled do the others load anew.

        """
        entry = self._claim(key, load, size_bytes, cancelled)
        try:
            yield entry.value
        finally:
            self._give_back(entry)

    def unload_idle(self) -> int:
        """Throw out what nobody has used for ``idle_seconds``; returns how many models left."""
        with self._changed:
            return self._drop_idle()

    def stats(self) -> PoolStats:
        """Counters since the start and the models in memory."""
        with self._changed:
            entries = sorted((entry for entry in self._entries.values() if entry.loaded), key=_by_age)
            counts = self._counts
            return PoolStats(
                loads=counts.loads,
                hits=counts.hits,
                failures=counts.failures,
                evictions=counts.evictions,
                idle_unloads=counts.idle_unloads,
                models=tuple(LoadedModel(entry.key, entry.size_bytes, entry.users) for entry in entries),
            )

    def close(self) -> None:
        """Throw out what nobody uses, the rest when it is given back; nothing is lent any more."""
        with self._changed:
            self._closed = True
            for entry in [entry for entry in self._entries.values() if not entry.users]:
                self._drop(entry)
            self._changed.notify_all()

    def _claim(self, key: Hashable, load: Callable[[], T], size_bytes: int, cancelled: Cancelled | None) -> _Entry:
        if size_bytes > self.memory_bytes:
            raise ModelUnavailable(
                f"The model needs about {_mib(size_bytes)} MiB, and all models together may take "
                f"{_mib(self.memory_bytes)} MiB: raise WOA_MODEL_MEMORY_BYTES, or choose a smaller model."
            )
        while True:
            entry, mine = self._enter(key, size_bytes, cancelled)
            try:
                if mine:
                    self._load(entry, load)
                else:
                    wait_until(self._changed, entry.settled, cancelled)
            except BaseException:
                self._give_back(entry)
                raise
            if entry.failure is None:
                return entry
            self._give_back(entry)
            if not _private(entry.failure):
                raise entry.failure

    def _enter(self, key: Hashable, size_bytes: int, cancelled: Cancelled | None) -> tuple[_Entry, bool]:
        """Become a user of the entry ``key``; true when it is new and one must load it."""
        claim = _Claim()
        self._line.pass_through(lambda: self._admit(claim, key, size_bytes), cancelled)
        if claim.entry is None:
            raise ModelUnavailable("This worker is shutting down and lends no models any more.")
        return claim.entry, claim.mine

    def _admit(self, claim: _Claim, key: Hashable, size_bytes: int) -> bool:
        if self._closed:
            return True
        entry = self._entries.get(key)
        if entry is not None:
            self._counts.hits += 1
        elif self._make_room(size_bytes):
            entry = self._entries[key] = _Entry(key, size_bytes)
            claim.mine = True
        else:
            return False
        entry.users += 1
        entry.used_at = self._clock()
        claim.entry = entry
        return True

    def _make_room(self, size_bytes: int) -> bool:
        unused = sorted((entry for entry in self._entries.values() if not entry.users), key=_by_age)
        free = self.memory_bytes - sum(entry.size_bytes for entry in self._entries.values())
        if free + sum(entry.size_bytes for entry in unused) < size_bytes:
            return False
        for entry in unused:
            if free >= size_bytes:
                break
            self._drop(entry)
            self._counts.evictions += 1
            free += entry.size_bytes
        return True

    def _load(self, entry: _Entry, load: Callable[[], T]) -> None:
        try:
            value = load()
        except BaseException as failure:
            with self._changed:
                self._counts.failures += 1
                entry.failure = failure
                self._drop(entry)
                self._changed.notify_all()
            raise
        with self._changed:
            self._counts.loads += 1
            entry.value, entry.loaded = value, True
            self._changed.notify_all()

    def _give_back(self, entry: _Entry) -> None:
        with self._changed:
            entry.users -= 1
            entry.used_at = self._clock()
            if not entry.users:
                self._settle(entry)
            self._changed.notify_all()

    def _settle(self, entry: _Entry) -> None:
        """Nobody uses the entry any more: throw it out when the pool is closed, else see that it leaves in time."""
        if self._closed:
            self._drop(entry)
        elif entry.loaded and self.idle_seconds > 0 and self._reaper is None:
            self._reaper = threading.Thread(target=self._reap, name="model-pool-reaper", daemon=True)
            self._reaper.start()

    def _drop(self, entry: _Entry) -> None:
        """Forget the entry; the memory is free when the last reference to the model goes."""
        if self._entries.get(entry.key) is entry:
            del self._entries[entry.key]
        entry.value, entry.loaded = None, False

    def _drop_idle(self) -> int:
        if self.idle_seconds <= 0:
            return 0
        limit = self._clock() - self.idle_seconds
        idle = [entry for entry in self._entries.values() if not entry.users and entry.used_at <= limit]
        for entry in idle:
            self._drop(entry)
        self._counts.idle_unloads += len(idle)
        if idle:
            self._changed.notify_all()
        return len(idle)

    def _reap(self) -> None:
        """Throw out idle models as their time comes; ends when nothing is loaded, and is started anew by need."""
        with self._changed:
            while self._entries and not self._closed:
                self._drop_idle()
                waits = [entry.used_at for entry in self._entries.values() if not entry.users]
                due = min(waits, default=self._clock()) + self.idle_seconds
                self._changed.wait(max(0.01, due - self._clock()) if self._entries else 0)
            self._reaper = None


def _private(failure: BaseException) -> bool:
    """Whether a load failed for a reason of the loader's own job: those who waited for it then load anew."""
    return isinstance(failure, JobCancelled) or not isinstance(failure, Exception)


def _by_age(entry: _Entry) -> float:
    return entry.used_at


def _mib(size: int) -> int:
    return -(-size // 1024**2)
