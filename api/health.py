"""How the server is: each part is asked by itself, at the same time as the others, and with a time limit of its own.

Answers are kept for a second, so that many probes cost as much as one. A part that hangs (a network disk, say) is
not asked again before it answered: a hanging check holds one thread, not one a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import httpx
import structlog

from api.depth import look_at_queue, unknown_queue
from api.health_schemas import Checks, CheckView, HealthView, ProvidersCheck, QueueView, WorkersView
from providers.base import Availability
from providers.registry import Registry
from speech.errors import ProviderUnavailable, SpeechError
from speech.pools import Routing
from speech.settings import Settings
from storage.store import Store
from storage.workers import WorkerBeat

KEPT_SECONDS = 1.0
TIMEOUT = 2.0
WORKER_SECONDS = 30.0
"""A worker that was not heard of for so long is not online."""
Found = CheckView | WorkersView | QueueView | ProvidersCheck
"""What a check may find."""
_log = structlog.get_logger("api.health")


class HealthChecks:
    """Asks the parts of one app. ``aclose`` closes its HTTP client."""

    def __init__(
        self, settings: Settings, store: Store, registry: Registry, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._store = store
        self._registry = registry
        self._routing = Routing.from_settings(settings)
        self._prefect = f"{settings.prefect.rstrip('/')}/health"
        self._client = httpx.AsyncClient(transport=transport, timeout=TIMEOUT, trust_env=False)
        self._asked: dict[str, asyncio.Task[Found]] = {}
        self._report: HealthView | None = None
        self._until = 0.0
        self._turn = asyncio.Lock()

    async def aclose(self) -> None:
        """Let go of what is still being asked."""
        for task in self._asked.values():
            task.cancel()
        await self._client.aclose()

    async def report(self) -> HealthView:
        """All checks, at most ``KEPT_SECONDS`` old."""
        async with self._turn:
            if self._report is None or time.monotonic() >= self._until:
                self._report = await self._ask_all()
                self._until = time.monotonic() + KEPT_SECONDS
            return self._report

    async def _ask_all(self) -> HealthView:
        database, storage, orchestrator, workers, queue, providers = await asyncio.gather(
            self._ask("database", self._database),
            self._ask("storage", self._blobs),
            self._ask("orchestrator", self._orchestrator),
            self._ask("workers", self._workers),
            self._ask("queue", self._queue),
            self._ask("providers", self._providers),
        )
        checks = Checks(
            database=_plain(database),
            storage=_plain(storage),
            orchestrator=_plain(orchestrator),
            workers=workers if isinstance(workers, WorkersView) else WorkersView(**_none_online(workers)),
            queue=queue if isinstance(queue, QueueView) else unknown_queue(queue.detail),
            providers=providers
            if isinstance(providers, ProvidersCheck)
            else ProvidersCheck(ok=False, available=[], unavailable={}, detail=providers.detail),
        )
        return HealthView(status=_status(checks), checks=checks)

    async def _ask(self, name: str, check: Callable[[], Awaitable[Found]]) -> Found:
        task = self._asked.get(name)
        if task is None or task.done():
            task = self._asked[name] = asyncio.ensure_future(check())
        started = time.perf_counter()
        try:
            async with asyncio.timeout(TIMEOUT):
                found = await asyncio.shield(task)
        except TimeoutError:
            return CheckView(ok=False, detail=f"No answer within {TIMEOUT:g} seconds.")
        except SpeechError as error:
            return CheckView(ok=False, detail=error.message)
        except Exception as error:  # noqa: BLE001 - whatever a part raises, it does not work, and the report says so
            _log.warning("check failed", check=name, error=type(error).__name__)
            return CheckView(ok=False, detail=f"It does not answer ({type(error).__name__}); see the server's log.")
        if isinstance(found, CheckView) and found.ms is None:
            return found.model_copy(update={"ms": round((time.perf_counter() - started) * 1000, 1)})
        return found

    async def _database(self) -> CheckView:
        await self._store.database.check()
        return CheckView(ok=True)

    async def _blobs(self) -> CheckView:
        await asyncio.to_thread(self._store.blobs.check)
        return CheckView(ok=True)

    async def _orchestrator(self) -> CheckView:
        try:
            answer = await self._client.get(self._prefect)
        except httpx.HTTPError:
            return CheckView(ok=False, detail="The Prefect server does not answer; jobs are accepted, and wait for it.")
        if answer.status_code != httpx.codes.OK:
            return CheckView(ok=False, detail=f"The Prefect server answers {answer.status_code} to its health check.")
        return CheckView(ok=True)

    async def _workers(self) -> WorkersView:
        beats = await self._store.workers.online(WORKER_SECONDS)
        online = len(beats)
        unwell = [beat for beat in beats if not beat.is_well]
        slots, busy = sum(beat.slots for beat in beats), sum(beat.busy for beat in beats)
        ok, detail = online > len(unwell), _said_of(online, unwell)
        return WorkersView(ok=ok, online=online, slots=slots, busy=busy, unwell=len(unwell), detail=detail)

    async def _queue(self) -> QueueView:
        return await look_at_queue(self._store, self._routing)

    async def _providers(self) -> ProvidersCheck:
        return await asyncio.to_thread(self._look_at_providers)

    def _look_at_providers(self) -> ProvidersCheck:
        found = {name: self._availability(name) for name in self._registry.names()}
        available = [name for name, what in found.items() if what.available]
        reasons = {name: what.reason or "not available" for name, what in found.items() if not what.available}
        detail = None if available else "No provider can work here; see /providers."
        return ProvidersCheck(ok=bool(available), available=available, unavailable=reasons, detail=detail)

    def _availability(self, name: str) -> Availability:
        try:
            return self._registry.get(name).availability()
        except ProviderUnavailable as error:
            return Availability(False, error.message)


def _said_of(online: int, unwell: Sequence[WorkerBeat]) -> str | None:
    if not online:
        return "No worker is online: start one with `woa worker`. Jobs are accepted, and wait."
    if not unwell:
        return None
    names = ", ".join(f"{beat.name} ({beat.details['trouble'].get('code')})" for beat in unwell)
    return f"Not well, and taking no or few jobs: {names}; the logs say more. Jobs are accepted, and wait."


def _plain(found: Found) -> CheckView:
    return found if isinstance(found, CheckView) else CheckView(ok=found.ok, detail=found.detail)


def _none_online(found: Found) -> dict[str, object]:
    return {"ok": False, "online": 0, "slots": 0, "busy": 0, "detail": found.detail}


def _status(checks: Checks) -> Literal["healthy", "degraded", "unhealthy"]:
    if not (checks.database.ok and checks.storage.ok):
        return "unhealthy"
    if checks.orchestrator.ok and checks.workers.ok and checks.providers.ok:
        return "healthy"
    return "degraded"
