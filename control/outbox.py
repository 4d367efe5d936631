"""The outbox emptied into Prefect: submissions, cancellations, deletions.

What is written here was written in the transaction that made it so, and leaves the table only when Prefect has it.
A process that dies in between does it again: a run is made under an idempotency key, the rest changes nothing twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from uuid import UUID

import httpx
import structlog
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import ObjectNotFound
from prefect.states import Scheduled

from orchestration.runs import cancel
from speech.clock import now
from speech.errors import SpeechError
from speech.jobs import JobStatus
from speech.pools import Routing
from storage.outbox import OutboxKind, OutboxRow
from storage.oversight import Oversight, WatchedJob
from storage.projection import Projection
from storage.store import Store

log = structlog.get_logger(__name__)

AT_ONCE = 4
"""Calls of Prefect in flight: more only queue there."""
BATCH = 100
LONGEST_DELAY = 5.0
FIRST_DELAY = 0.25
NOT_DEPLOYED_DELAY = 1.0
TRIES = 8
"""After how many refusals a job is not submitted any more: some twenty seconds."""
RUN_REFUSED = "run_refused"
NOT_OF_THE_JOB = frozenset({401, 403, 404, 408, 425, 429})
"""Refusals that say nothing about the job: of whoever asks, of the place, of the moment."""


class NotDeployed(SpeechError):
    """The deployment that jobs are submitted to is not on the Prefect server."""

    code = "not_deployed"
    retryable = True


@dataclass
class Outbox:
    """Control's hand that tells Prefect. One open client; at most ``AT_ONCE`` calls at a time.

    ``deployment`` is the one of jobs; without ``routing`` all of them go to it.
    """

    client: PrefectClient
    store: Store
    deployment: str
    routing: Routing | None = None
    _deployment_ids: dict[str, UUID] = field(default_factory=dict)
    _said: set[str] = field(default_factory=set)
    """What is not deployed, as far as that was said."""
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def empty(self) -> None:
        """Tell Prefect all that is due; what has no deployment there is due again a second later.

        Raises:
            httpx.TransportError: when Prefect does not answer; what is left stays in the table.

        """
        while rows := await self.store.outbox.due(BATCH):
            by_job = sorted(rows, key=lambda row: (row.job_id, row.id))
            groups = [list(group) for _, group in groupby(by_job, key=lambda row: row.job_id)]
            jobs = await Oversight(self.store.database).jobs({row.job_id for row in rows})
            outcomes = await asyncio.gather(
                *(self._tell_in_order(group, jobs.get(group[0].job_id)) for group in groups), return_exceptions=True
            )
            _raise_first(outcomes)

    async def _tell_in_order(self, rows: Sequence[OutboxRow], job: WatchedJob | None) -> None:
        async with self._places:
            for row in rows:
                if not await self._tell(row, job):
                    return

    async def _tell(self, row: OutboxRow, job: WatchedJob | None) -> bool:
        """Whether it was done; if not, it is due again later, and what comes after it for the same job waits too."""
        try:
            await self._act(row, job)
        except httpx.TransportError:
            raise
        except NotDeployed as reason:  # whatever goes elsewhere does not wait for it
            if reason.message not in self._said:
                log.warning("jobs wait for their deployment", reason=reason.message)
                self._said.add(reason.message)
            await self.store.outbox.postpone(row.id, reason.message, NOT_DEPLOYED_DELAY, counts=False)
            return False
        except httpx.HTTPStatusError as reason:
            delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(row.attempts, TRIES))
            if row.kind is OutboxKind.SUBMIT and row.attempts + 1 >= TRIES and is_final(reason):
                await self._give_up(row, reason.response.status_code)
                return True
            said = f"Prefect answered {reason.response.status_code}."
            log.warning("Prefect refuses", job_id=row.job_id, kind=str(row.kind), status=reason.response.status_code)
            await self.store.outbox.postpone(row.id, said, delay)
            return False
        await self.store.outbox.done(row.id)
        return True

    async def _give_up(self, row: OutboxRow, status: int) -> None:
        """Fail the job that Prefect will not have."""
        sentence = (
            f"Prefect refuses to make a flow run for the job (HTTP status {status}); its log says why. "
            "Submit the job again when that is mended."
        )
        failed = Projection(JobStatus.FAILED, error=sentence, error_code=RUN_REFUSED, observed_at=now())
        await self.store.jobs.project(row.job_id, row.submission, failed)
        await self.store.outbox.done(row.id)
        log.error("Prefect refuses a job", job_id=row.job_id, status=status)

    async def _act(self, row: OutboxRow, job: WatchedJob | None) -> None:
        if row.kind is OutboxKind.SUBMIT:
            await self._submit(row, job)
        elif row.flow_run_id is None:
            return
        elif row.kind is OutboxKind.CANCEL:
            await cancel(self.client, UUID(row.flow_run_id))
        else:
            await self._delete(UUID(row.flow_run_id))

    async def _submit(self, row: OutboxRow, job: WatchedJob | None) -> None:
        if job is None or job.submission != row.submission or job.cancel_requested_at is not None:
            return
        if job.status.finished:  # given up, by somebody who died before the row was gone
            return
        deployment = await self._deployment_of(row.job_id)
        try:
            run = await self.client.create_flow_run_from_deployment(
                await self._deployment_id(deployment),
                parameters={"job_id": row.job_id, "submission": row.submission},
                idempotency_key=f"{row.job_id}:{row.submission}",
                work_queue_name=str(job.priority),
                name=row.job_id,
                state=Scheduled(scheduled_time=job.not_before),
            )
        except ObjectNotFound as reason:
            self._deployment_ids.clear()
            raise _not_deployed(deployment) from reason
        except httpx.HTTPStatusError as reason:
            if reason.response.status_code == httpx.codes.NOT_FOUND:
                self._deployment_ids.clear()
                raise _not_deployed(deployment) from reason
            raise
        await self.store.jobs.submitted(row.job_id, row.submission, str(run.id))

    async def _delete(self, run_id: UUID) -> None:
        try:
            await self.client.delete_flow_run(run_id)
        except ObjectNotFound:
            return

    async def _deployment_of(self, job_id: str) -> str:
        """The deployment in the pool that the job goes to."""
        if self.routing is None or not self.routing.routes:
            return self.deployment
        wish = await self.store.demand.of(job_id)
        pool = self.routing.default if wish is None else self.routing.pool_of(wish.provider, wish.model)
        return self.routing.deployment_in(pool, self.deployment)

    async def _deployment_id(self, name: str) -> UUID:
        if name not in self._deployment_ids:
            try:
                self._deployment_ids[name] = (await self.client.read_deployment_by_name(name)).id
            except ObjectNotFound as reason:
                raise _not_deployed(name) from reason
            self._said.discard(_not_deployed(name).message)
        return self._deployment_ids[name]


def _not_deployed(name: str) -> NotDeployed:
    return NotDeployed(f"The deployment {name} is not on the Prefect server; run `woa deploy`.")


def is_final(reason: httpx.HTTPStatusError) -> bool:
    """Whether Prefect will say the same of this job for ever."""
    return reason.response.is_client_error and reason.response.status_code not in NOT_OF_THE_JOB


def _raise_first(outcomes: Sequence[object]) -> None:
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
