"""What routes are given: the app's parts, and who calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from api.catalogue import Catalogue
from api.freshness import Freshness
from api.health import HealthChecks
from api.principal import KnownKeys, Principal, identify
from api.prober import Prober
from providers.registry import Registry
from remote.guard import UrlRules
from remote.stores import AllowedStores
from speech.settings import Settings
from storage.store import Store
from storage.tail import Tail

API_KEY = HTTPBearer(
    auto_error=False,
    scheme_name="ApiKey",
    description="A key that `woa keys create` printed. A server without any key serves its own machine without one.",
)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the app is made of; one instance an app, in ``app.state.parts``."""

    settings: Settings
    store: Store
    registry: Registry
    url_rules: UrlRules
    webhook_rules: UrlRules
    ingest_stores: AllowedStores
    prober: Prober
    health: HealthChecks
    freshness: Freshness
    catalogue: Catalogue
    keys: KnownKeys
    tail: Tail


async def parts_of(request: Request) -> Parts:
    """The parts of the app that answers this request. Async, because FastAPI sends what is not through a thread."""
    parts: Parts = request.app.state.parts
    return parts


async def current_principal(request: Request, _key: Annotated[object, Depends(API_KEY)]) -> Principal:
    """Who calls; every route but the probes and the reference stands behind this."""
    parts = await parts_of(request)
    return await identify(request.scope, parts.settings, parts.keys)


Caller = Annotated[Principal, Depends(current_principal)]
App = Annotated[Parts, Depends(parts_of)]
