"""Webhooks that are due become short flow runs, each of them made once however many would make it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.exceptions import ObjectNotFound

from storage.deliveries import DueDelivery
from storage.store import Store

QUEUE = "deliveries"
BATCH = 50


@dataclass
class Dispatch:
    """Control's hand that has webhooks sent."""

    client: PrefectClient
    store: Store
    deployment: str
    _deployment_id: UUID | None = None

    async def send_due(self) -> None:
        """Make a run for each delivery that is due and has none.

        Raises:
            httpx.HTTPError: when Prefect does not answer; what is left stays due.
            ObjectNotFound: likewise, when the deployment is not there.

        """
        while due := await self.store.deliveries.due(BATCH):
            for delivery in due:
                await self._run(delivery)

    async def _run(self, delivery: DueDelivery) -> None:
        try:
            await self.client.create_flow_run_from_deployment(
                await self._deployment(),
                parameters={"delivery_id": delivery.delivery_id},
                idempotency_key=delivery.run_key,
                work_queue_name=QUEUE,
                name=delivery.delivery_id,
            )
        except ObjectNotFound:
            self._deployment_id = None
            raise
        await self.store.deliveries.dispatched(delivery)

    async def _deployment(self) -> UUID:
        if self._deployment_id is None:
            self._deployment_id = (await self.client.read_deployment_by_name(self.deployment)).id
        return self._deployment_id
