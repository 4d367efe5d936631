"""The flow of a run, loaded once: importing it again for every run would cost seconds, and second copies of classes."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import ObjectNotFound


class FlowUnknown(Exception):
    """A run whose flow this worker cannot load; the message says why."""


@dataclass
class LoadedFlows:
    """Flows by deployment."""

    _flows: dict[UUID, Flow[..., Any]] = field(default_factory=dict)

    async def of(self, client: PrefectClient, deployment_id: UUID | None) -> Flow[..., Any]:
        """The flow that a deployment names, by a module path such as ``flows.transcribe.transcribe``.

        Raises:
            FlowUnknown: when there is no deployment any more, or its flow cannot be imported here.

        """
        if deployment_id is None:
            raise FlowUnknown("The run belongs to no deployment.")
        if deployment_id not in self._flows:
            self._flows[deployment_id] = import_flow(await _entrypoint(client, deployment_id))
        return self._flows[deployment_id]


async def _entrypoint(client: PrefectClient, deployment_id: UUID) -> str:
    try:
        deployment = await client.read_deployment(deployment_id)
    except ObjectNotFound:
        raise FlowUnknown("The run's deployment was deleted.") from None
    return deployment.entrypoint or ""


def import_flow(entrypoint: str) -> Flow[..., Any]:
    """The flow at a module path.

    Raises:
        FlowUnknown: when it is a file's path, which would load a second copy of every class, or nothing is there.

    """
    module, _, name = entrypoint.rpartition(".")
    if ":" in entrypoint or not module:
        raise FlowUnknown(
            f"The deployment's entrypoint {entrypoint!r} is not a module path such as package.module.flow."
        )
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as reason:
        raise FlowUnknown(f"The deployment's flow {entrypoint!r} cannot be imported by this worker.") from reason
    if not isinstance(found, Flow):
        raise FlowUnknown(f"The deployment's entrypoint {entrypoint!r} is not a flow.")
    return found
