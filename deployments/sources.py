"""The sources that prefect.yaml names, kept in the database as the file has them: the file decides, each time.

A source of the file is an ingest like any other, under an id made of its name. One that leaves the file is disabled
rather than deleted: what is known of its objects stays, and jobs that are on their way still find their recordings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from pydantic import Field

from engine.engine import Engine
from pipeline.ingest_check import check_ingest
from providers.registry import Registry
from remote.stores import AllowedStores
from speech.errors import SpeechError
from speech.ingestion import IngestOptions
from speech.settings import Settings
from storage.ingests import Ingest
from storage.store import Store
from storage.tables import DEFAULT_OWNER
from weights.store import WeightStore

ID_PREFIX = "file-"
"""How the ingests of the file are told from those that people made."""


class SourceRefused(SpeechError):
    """A source of prefect.yaml cannot be ingested from; the message says which one, and why."""

    code = "source_refused"


class Source(IngestOptions):
    """One entry of ``definitions.ingests``: a name of the operator's choice, and what ``POST /ingests`` takes."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    owner: str = Field(DEFAULT_OWNER, min_length=1, max_length=128)

    @property
    def ingest_id(self) -> str:
        """The id of its ingest."""
        return f"{ID_PREFIX}{self.name}"

    def options(self) -> IngestOptions:
        """Those of its ingest."""
        return IngestOptions.model_validate(self.model_dump(mode="json", exclude={"name", "owner"}))


async def keep(settings: Settings, store: Store, sources: Sequence[Source]) -> list[str]:
    """Make the ingests of the file those that it names; what was changed, in words.

    Raises:
        SourceRefused: when this server cannot do what a source asks for, or may not; nothing is changed then.
        Missing: owner_not_found; the sources before it in the file are kept by then.

    """
    present = {ingest.ingest_id: ingest for ingest in await store.ingests.beginning_with(ID_PREFIX)}
    _check_owners(sources, present)
    await asyncio.to_thread(_check, settings, sources)
    changes = [change for source in sources if (change := await _keep(store, source, present.get(source.ingest_id)))]
    for ingest_id in present.keys() - {source.ingest_id for source in sources}:
        left = present[ingest_id]
        if left.options.enabled:
            disabled = left.options.model_copy(update={"enabled": False})
            await store.ingests.change(left.owner_id, ingest_id, disabled)
            changes.append(f"ingest {ingest_id}: disabled, since the file has it no more")
    return changes


def _check_owners(sources: Sequence[Source], present: Mapping[str, Ingest]) -> None:
    for source in sources:
        before = present.get(source.ingest_id)
        if before is not None and before.owner_id != source.owner:
            raise SourceRefused(
                f"The source {source.name!r} of prefect.yaml belongs to {before.owner_id!r}; "
                f"give that of {source.owner!r} another name."
            )


def _check(settings: Settings, sources: Sequence[Source]) -> None:
    if not sources:
        return
    stores = AllowedStores.from_settings(settings)
    registry = Registry(settings, WeightStore.from_settings(settings), Engine.from_settings(settings))
    for source in sources:
        try:
            check_ingest(source.options(), source.owner, stores, registry)
        except SpeechError as reason:
            raise SourceRefused(f"The source {source.name!r} of prefect.yaml is refused: {reason.message}") from reason


async def _keep(store: Store, source: Source, before: Ingest | None) -> str | None:
    options = source.options()
    if before is None:
        await store.ingests.create(source.owner, options, ingest_id=source.ingest_id)
        return f"ingest {source.ingest_id}: created"
    if before.options == options:
        return None
    await store.ingests.change(source.owner, source.ingest_id, options)
    return f"ingest {source.ingest_id}: updated"
