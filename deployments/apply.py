"""Bringing a Prefect server in line with prefect.yaml, as often as one likes, and from several processes at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from prefect import Flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.utilities.callables import parameter_schema

from deployments.schedules import merged, same
from deployments.sources import keep
from deployments.specification import Deployment, Pool, Specification, read
from orchestration.client import open_client
from orchestration.ownership import check_owner, template
from speech.options import Priority
from speech.pools import Routing
from speech.settings import Settings
from storage.store import Store
from workers.flows import import_flow
from workers.service import TYPE

RETRIES = 3
JOB_QUEUES = frozenset(str(priority) for priority in Priority)
"""Deployments that go to one of these run jobs, and jobs choose their pool."""


class WrongPoolType(RuntimeError):
    """A pool of that name exists, of a type that our workers do not serve."""


@dataclass
class Applied:
    """What was changed, in words; nothing when all was in place already."""

    changes: list[str] = field(default_factory=list)


async def apply(settings: Settings, specification: Specification | None = None) -> Applied:
    """Create or update the pools, their queues, the flows, the deployments and the sources that are ingested from.

    ``settings.work_pool`` is the pool's name, whatever the file calls it. Pools that jobs are routed to are made
    likewise, with a deployment of their own for jobs; all other deployments are in the first pool alone.

    Raises:
        SourceRefused: when a source asks for what this server cannot do, or may not; nothing is changed then.
        WrongPoolType: when that pool exists with another type.
        ForeignPool: when that pool exists and belongs to another installation.
        httpx.HTTPError: when Prefect does not answer.

    """
    given = specification if specification is not None else await asyncio.to_thread(read, settings.prefect_file)
    applied, routing = Applied(), Routing.from_settings(settings)
    identity = await _installation(settings, given, applied)
    async with open_client(settings, retries=RETRIES) as client:
        for pool in routing.pools:
            await _apply_pool(client, pool, given.pool, identity, applied)
            for deployment in given.deployments:
                if pool == routing.default or deployment.work_pool.work_queue_name in JOB_QUEUES:
                    named = deployment.model_copy(update={"name": routing.deployment_in(pool, deployment.name)})
                    await _apply_deployment(client, pool, named, applied)
    return applied


async def _installation(settings: Settings, given: Specification, applied: Applied) -> str:
    """Whose pools they are, once the database has the sources; control brings their schedules to Prefect."""
    store = Store.open(settings)
    try:
        await store.migrate()
        applied.changes += await keep(settings, store, given.sources)
        return await store.installation.identity()
    finally:
        await store.close()


async def _apply_pool(client: PrefectClient, name: str, pool: Pool, identity: str, applied: Applied) -> None:
    wanted = template(identity)
    found = await _find_or_create_pool(client, name, pool, wanted, applied)
    if found.type != TYPE:
        raise WrongPoolType(
            f"The work pool {name!r} exists and is of type {found.type!r}, not {TYPE!r}. "
            "Name another one in WOA_WORK_POOL, or delete it."
        )
    check_owner(found, identity)
    limit = found.concurrency_limit if pool.concurrency_limit is None else pool.concurrency_limit
    values = {"base_job_template": wanted, "description": pool.description, "concurrency_limit": limit}
    if any(getattr(found, field) != value for field, value in values.items()):
        await client.update_work_pool(name, WorkPoolUpdate(**values))
        applied.changes.append(f"work pool {name}: updated")
    await _apply_queues(client, name, pool, applied)


async def _find_or_create_pool(
    client: PrefectClient, name: str, pool: Pool, made_of: dict[str, Any], applied: Applied
) -> WorkPool:
    try:
        return await client.read_work_pool(name)
    except ObjectNotFound:
        wanted = WorkPoolCreate(name=name, type=TYPE, base_job_template=made_of, description=pool.description)
    try:
        created = await client.create_work_pool(wanted)
    except ObjectAlreadyExists:  # another process was quicker
        return await client.read_work_pool(name)
    applied.changes.append(f"work pool {name}: created")
    return created


async def _apply_queues(client: PrefectClient, pool: str, wanted: Pool, applied: Applied) -> None:
    present = {queue.name: queue for queue in await client.read_work_queues(work_pool_name=pool)}
    # The most urgent last: a queue that is given a priority moves those that hold it down by one.
    for queue in sorted(wanted.queues, key=lambda queue: -queue.priority):
        if queue.name in present:
            continue
        try:
            await client.create_work_queue(queue.name, work_pool_name=pool, priority=queue.priority)
        except ObjectAlreadyExists:
            continue
        applied.changes.append(f"queue {queue.name}: created")
    for queue in sorted(wanted.queues, key=lambda queue: queue.priority):
        found = await client.read_work_queue_by_name(queue.name, work_pool_name=pool)
        if found.priority != queue.priority:
            await client.update_work_queue(found.id, priority=queue.priority)
            applied.changes.append(f"queue {queue.name}: priority {queue.priority}")
        if queue.concurrency_limit not in (None, found.concurrency_limit):
            await client.update_work_queue(found.id, concurrency_limit=queue.concurrency_limit)
            applied.changes.append(f"queue {queue.name}: at most {queue.concurrency_limit} at once")


async def _apply_deployment(client: PrefectClient, pool: str, wanted: Deployment, applied: Applied) -> None:
    flow = await asyncio.to_thread(import_flow, wanted.entrypoint)
    flow_id = await client.create_flow_from_name(flow.name)
    values = _values(flow, pool, wanted)
    found = await _find_deployment(client, f"{flow.name}/{wanted.name}")
    present = found.schedules if found is not None else []
    schedules = merged(present, wanted.schedules)
    if found is not None and found.flow_id == flow_id and _same(found, values) and same(present, schedules):
        return
    await client.create_deployment(flow_id=flow_id, name=wanted.name, schedules=schedules, **values)
    applied.changes.append(f"deployment {flow.name}/{wanted.name}: {'created' if found is None else 'updated'}")


async def _find_deployment(client: PrefectClient, name: str) -> DeploymentResponse | None:
    try:
        return await client.read_deployment_by_name(name)
    except ObjectNotFound:
        return None


def _values(flow: Flow[..., Any], pool: str, wanted: Deployment) -> dict[str, Any]:
    return {
        "entrypoint": wanted.entrypoint,
        "description": wanted.description,
        "version": wanted.version,
        "tags": list(wanted.tags),
        "parameters": dict(wanted.parameters),
        "parameter_openapi_schema": parameter_schema(flow).model_dump_for_openapi(),
        "enforce_parameter_schema": True,
        "work_pool_name": pool,
        "work_queue_name": wanted.work_pool.work_queue_name,
        "job_variables": dict(wanted.work_pool.job_variables),
        "pull_steps": [],
    }


_COMPARED_APART = frozenset({"parameter_openapi_schema", "version", "pull_steps"})


def _same(found: DeploymentResponse, values: dict[str, Any]) -> bool:
    """Whether the server has these values; ``version`` is not compared, since the server makes one up for None."""
    plain = all(getattr(found, name) == value for name, value in values.items() if name not in _COMPARED_APART)
    schema = values["parameter_openapi_schema"]
    return plain and found.parameter_openapi_schema == schema and not found.pull_steps
