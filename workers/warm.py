"""The worker type of our work pools: runs are run by threads of device processes whose models stay loaded.

Prefect finds it through the entry point group ``prefect.collections``, so that ``prefect worker start`` knows the
type too; ``woa worker`` calls ``run_worker``. Both come to the same service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anyio.abc
import structlog
from prefect.client.schemas.objects import FlowRun
from prefect.settings import get_current_settings
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorker, BaseWorkerResult

from orchestration.ownership import template
from orchestration.precedence import BOOKKEEPING_NICENESS, step_back
from pipeline.runtime import Runtime
from speech.settings import Settings
from tasks.current import use
from workers.service import TYPE, PoolService

log = structlog.get_logger(__name__)


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
        """Not how this type works: its runs come through its own dispatcher."""
        raise NotImplementedError("Workers of this type take their runs by themselves.")


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
