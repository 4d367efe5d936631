"""The worker type of our work pools: runs are run by threads of device processes whose models stay loaded.

Prefect finds it through the entry point group ``prefect.collections``, so that ``prefect worker start`` knows the
type too; ``woa worker`` calls ``run_worker``. Both come to the same service.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import anyio.abc
import structlog
from prefect.client.schemas.objects import FlowRun
from prefect.settings import get_current_settings
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorker, BaseWorkerResult

from orchestration.client import open_client
from orchestration.ownership import template
from orchestration.precedence import BOOKKEEPING_NICENESS, step_back
from pipeline.runtime import Runtime
from speech.settings import Settings
from tasks.current import use
from workers.devices import device_environments
from workers.flows import Entrypoints
from workers.service import TYPE, PoolService
from workers.suspects import SuspectPlace

log = structlog.get_logger(__name__)


class WarmWorkerResult(BaseWorkerResult):
    """How a run went that was handed to the worker type."""


class WarmWorker(BaseWorker[BaseJobConfiguration, BaseVariables, BaseWorkerResult]):
    """Our worker type, for Prefect's registry."""

    type = TYPE
    _description = "Runs transcriptions in threads of a process that keeps the models loaded."

    @classmethod
    def get_default_base_job_template(cls) -> dict[str, Any]:
        """What a new pool of this type starts with."""
        return template()

    async def start(
        self, run_once: bool = False, with_healthcheck: bool = False, printer: Callable[..., None] = print
    ) -> None:
        """What ``prefect worker start`` calls: serve the pool until cancelled.

        Raises:
            ValueError: for ``run_once`` and ``with_healthcheck``, which this type does not offer.

        """
        if run_once or with_healthcheck:
            raise ValueError("Workers of this type run on, and show their health at the API: leave those options out.")
        settings = Settings()
        url = settings.prefect_api_url or get_current_settings().api.url
        changes: dict[str, Any] = {"prefect_api_url": url, "work_pool": self._work_pool_name}
        if self._limit is not None:
            changes["worker_slots"] = self._limit
        printer(f"Worker {self.name!r} serves the pool {self._work_pool_name!r}.")
        own = settings.model_copy(update=changes)
        await run_worker(own, asyncio.Event(), name=self.name, queues=tuple(sorted(self._work_queues)))

    async def run(
        self,
        flow_run: FlowRun,
        configuration: BaseJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> BaseWorkerResult:
        """Run one run that was claimed, alone in a device process of its own.

        Prefect's own loop would call it; ours gives runs to processes that are warm (see ``start``). The process's
        exit says 0 when the run was seen through, 1 when it was lost, refused or let go of.
        """
        settings = Settings()
        own = settings.model_copy(
            update={"prefect_api_url": settings.prefect_api_url or get_current_settings().api.url}
        )
        async with open_client(own) as client:
            entrypoint = await Entrypoints().of(client, flow_run.deployment_id)
        place = SuspectPlace(own, device_environments(own)[0])
        if task_status is not None:
            task_status.started(os.getpid())
        ended = await place.run(flow_run, entrypoint)
        seen_through = ended.kind is not None
        return WarmWorkerResult(identifier=str(flow_run.id), status_code=0 if seen_through else 1)


async def run_worker(
    settings: Settings, stop: asyncio.Event, *, name: str | None = None, queues: tuple[str, ...] = ()
) -> None:
    """Serve the settings' work pool until ``stop`` is set; then drain.

    Raises:
        WrongPool: when the pool is of another type.

    """
    step_back(BOOKKEEPING_NICENESS)
    runtime = await asyncio.to_thread(Runtime.open, settings)
    use(runtime)  # for chores; jobs have that of their device process
    service = PoolService(settings, queues=queues, **({"name": name} if name else {}))
    try:
        await service.serve(stop)
    finally:
        if service.chores_at_work:
            # They are back in the queue, and end with the process; without the runtime they would fail, and say so
            # over the heads of the workers that have them now.
            log.warning("chores are left behind", runs=len(service.chores_at_work))
        else:
            use(None)
            await asyncio.to_thread(runtime.close)
