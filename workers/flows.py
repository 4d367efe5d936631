"""The flow of a run: named by its deployment, imported from a module, never from a file."""

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
class Entrypoints:
    """Module paths such as ``flows.transcribe.transcribe``, by deployment; each is asked for once."""

    _known: dict[UUID, str] = field(default_factory=dict)

    async def of(self, client: PrefectClient, deployment_id: UUID | None) -> str:
        """The entrypoint of a deployment.

        Raises:
            FlowUnknown: when there is no deployment any more.

        """
        if deployment_id is None:
            raise FlowUnknown("The run belongs to no deployment.")
        if deployment_id not in self._known:
            self._known[deployment_id] = await _entrypoint(client, deployment_id)
        return self._known[deployment_id]


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
