"""One look at one source: its options, its shelves, what was counted so far, and whether to stop."""

from __future__ import annotations

import time
from collections.abc import Callable

from pipeline.runtime import Runtime
from remote.buckets import BucketUrl
from remote.shelf import Shelf
from remote.stores import AllowedStores, open_shelf, parse_place
from storage.errors import Missing
from storage.ingest_runs import Counts
from storage.ingests import Ingest


class LeavingSource(Exception):
    """The process wants to leave; what was done is kept, and the next run goes on."""


class SourceStopped(Exception):
    """Somebody wants no more of the run; ``code`` and ``sentence`` say why."""

    def __init__(self, code: str = "run_cancelled", sentence: str = "The run was cancelled.") -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence


LOOK_SECONDS = 5.0
"""How often a run looks whether its source is still there and enabled."""


def _never() -> bool:
    return False


class Source:
    """A source during one run of it. A plain class: Prefect walks into dataclasses that tasks are given."""

    def __init__(
        self,
        runtime: Runtime,
        ingest: Ingest,
        leaving: Callable[[], bool] = _never,
        cancelled: Callable[[], bool] = _never,
    ) -> None:
        """``leaving`` says whether the process wants to leave, ``cancelled`` whether nobody wants the run."""
        self.runtime = runtime
        self.ingest = ingest
        self.counts = Counts()
        self._leaving = leaving
        self._cancelled = cancelled
        self._looked_at = time.monotonic()
        self._shelves: dict[tuple[str, str], Shelf] = {}
        self._stores: AllowedStores | None = None

    @property
    def place(self) -> BucketUrl:
        """The prefix or folder that it is about; UrlRefused when the operator no longer has it so."""
        return parse_place(self.ingest.options.url)

    @property
    def most_unfinished(self) -> int:
        """Unfinished jobs of the owner up to which the source adds to them: the rest is for the owner's requests."""
        return max(1, self.runtime.settings.max_queued_jobs // 2)

    def shelf(self, place: BucketUrl, *, write: bool = False) -> Shelf:
        """What reads and writes there; UrlRefused when this owner may not."""
        store = self._allowed().of(place, self.ingest.owner_id, write=write)
        name = (store.name, f"{place.scheme}://{place.bucket}")
        if name not in self._shelves:
            self._shelves[name] = open_shelf(store, place)
        return self._shelves[name]

    def may_read(self, key: str) -> bool:
        """Whether a key that a listing of the source shows is this owner's: another's store may lie within."""
        return self._allowed().lets_read(BucketUrl(self.place.scheme, self.place.bucket, key), self.ingest.owner_id)

    def _allowed(self) -> AllowedStores:
        if self._stores is None:
            self._stores = AllowedStores.from_settings(self.runtime.settings)
        return self._stores

    def below(self, key: str) -> str:
        """The part of a key that lies below the source's prefix; the whole key when it lies elsewhere by now."""
        folder = f"{self.place.key}/" if self.place.key else ""
        return key.removeprefix(folder) if key.startswith(folder) else key

    def count(self, **more: int) -> None:
        """Add to what was counted."""
        self.counts = self.counts.plus(**more)

    def go_on(self) -> None:
        """Raise LeavingSource when the process wants to leave, SourceStopped when nobody wants the run any more."""
        if self._leaving():
            raise LeavingSource
        if self._cancelled():
            raise SourceStopped
        if time.monotonic() - self._looked_at >= LOOK_SECONDS:
            self._looked_at = time.monotonic()
            self._want_enabled()

    def _want_enabled(self) -> None:
        """Somebody may have deleted or disabled the source since; a run of one that was disabled is asked for."""
        try:
            found = self.runtime.wait(self.runtime.store.ingests.named(self.ingest.ingest_id))
        except Missing:
            raise SourceStopped("ingest_not_found", "The ingest was deleted.") from None
        if self.ingest.options.enabled and not found.options.enabled:
            raise SourceStopped("ingest_disabled", "The ingest was disabled.")
