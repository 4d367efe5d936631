"""Takes that wait to be listened to become short flow runs, each made once however many would make it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.exceptions import ObjectNotFound

from speech.options import Priority
from storage.store import Store
from storage.takes import DueTake

BATCH = 50


@dataclass
class EnrolmentDesk:
    """Control's hand that has takes listened to. ``deployment`` is that of the flow, in the default pool."""

    client: PrefectClient
    store: Store
    deployment: str
    _deployment_id: UUID | None = None

    async def make_runs(self) -> None:
        """Make a run for each take that waits and has none.

        Raises:
            httpx.HTTPError: when Prefect does not answer; what is left goes on waiting.
            ObjectNotFound: likewise, when the deployment is not there.

        """
        while due := await self.store.takes.due(BATCH):
            for take in due:
                await self._run(take)

    async def _run(self, take: DueTake) -> None:
        try:
            run = await self.client.create_flow_run_from_deployment(
                await self._deployment(),
                parameters={"take_id": take.take_id},
                idempotency_key=take.run_key,
                # Somebody waits for it, and it takes a moment.
                work_queue_name=str(Priority.EXPRESS),
                name=take.take_id,
            )
        except ObjectNotFound:
            self._deployment_id = None
            raise
        await self.store.takes.dispatched(take, str(run.id))

    async def _deployment(self) -> UUID:
        if self._deployment_id is None:
            self._deployment_id = (await self.client.read_deployment_by_name(self.deployment)).id
        return self._deployment_id
