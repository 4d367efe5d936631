"""The app: its parts, what stands around every request, and the addresses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from anyio import to_thread
from fastapi import FastAPI

from api import openapi, problems
from api.access_log import AccessLog
from api.bodies import Lingering
from api.catalogue import Catalogue
from api.cors import Cors
from api.deps import Parts
from api.faults import Faults
from api.freshness import Freshness
from api.head import HeadAsGet
from api.health import HealthChecks
from api.principal import KnownKeys
from api.prober import Prober
from api.request_ids import RequestIds
from api.routes import (
    align,
    batches,
    catalogue,
    events,
    files,
    ingests,
    jobs,
    metrics,
    probes,
    reference,
    results,
    speakers,
    transcripts,
    uploads,
    webhooks,
)
from engine.engine import Engine
from providers.registry import Registry
from remote.guard import UrlRules
from remote.stores import AllowedStores
from speech.addresses import API
from speech.settings import Settings
from storage.store import Store
from storage.tail import Tail
from weights.store import WeightStore


def create_app(settings: Settings, *, store: Store | None = None, registry: Registry | None = None) -> FastAPI:
    """The app of these settings; nothing is opened before it starts.

    A ``store`` that is given is brought up to date at the start, and stays open at the end.
    """
    parts = _parts(settings, store or Store.open(settings), registry or _registry(settings))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await parts.store.migrate()
        await to_thread.run_sync(parts.prober.sweep)
        try:
            yield
        finally:
            await parts.tail.close()
            await parts.health.aclose()
            if store is None:
                await parts.store.close()

    app = FastAPI(
        title=openapi.TITLE,
        version=_version(),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
    )
    app.state.parts = parts
    jobs_and_words = (uploads, files, jobs, align, events, batches, results, transcripts, speakers, ingests, webhooks)
    for routes in (*jobs_and_words, catalogue, probes, metrics):
        app.include_router(routes.router, prefix=API)
    app.include_router(reference.router)
    problems.install(app)
    openapi.install(app)
    _surround(app, parts)
    return app


def _surround(app: FastAPI, parts: Parts) -> None:
    """The last one added stands outermost."""
    app.add_middleware(HeadAsGet)
    app.add_middleware(Faults, look=parts.store.database.check)
    app.add_middleware(Lingering)
    if parts.settings.cors_origins:
        app.add_middleware(Cors, origins=parts.settings.cors_origins)
    app.add_middleware(AccessLog)
    app.add_middleware(RequestIds)


def _parts(settings: Settings, store: Store, registry: Registry) -> Parts:
    return Parts(
        settings=settings,
        store=store,
        registry=registry,
        url_rules=UrlRules.from_settings(settings),
        webhook_rules=UrlRules.for_webhooks(settings),
        ingest_stores=AllowedStores.from_settings(settings),
        prober=Prober(settings, store.blobs),
        health=HealthChecks(settings, store, registry),
        freshness=Freshness(store),
        catalogue=Catalogue(registry),
        keys=KnownKeys(store),
        tail=Tail(store.database),
    )


def _registry(settings: Settings) -> Registry:
    return Registry(settings, WeightStore.from_settings(settings), Engine.from_settings(settings))


def _version() -> str:
    try:
        return version("world-of-asr")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"
