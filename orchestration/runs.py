"""What is done to flow runs through the Prefect API, by control and by workers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry, Cancelled, Cancelling, Completed, Crashed, Failed, Pending, Scheduled

from orchestration.internals import worker_id_of
from speech.clock import now

PROCESS_DIED = "The process died that had it."
ENDED = frozenset({StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED, StateType.CRASHED})


def job_id_of(run: FlowRun) -> str | None:
    """The job that a run was made for, None when it is a chore or was made by hand."""
    job_id = run.parameters.get("job_id")
    return job_id if isinstance(job_id, str) else None


def is_part(run: FlowRun) -> bool:
    """Whether the run does a part of its job, which has a run of its own too."""
    return "part" in run.parameters


def lost_its_process(run: FlowRun) -> bool:
    """Whether the run waits since the process died that had it."""
    return run.state is not None and run.state.message == PROCESS_DIED


async def waiting(client: PrefectClient, pool: str, run_ids: Sequence[UUID], queues: Sequence[str]) -> list[FlowRun]:
    """Those of the runs that wait in these queues of the pool and are due, in the order given."""
    response = await client.request(
        "POST",
        "/flow_runs/filter",
        json={
            "flow_runs": {
                "id": {"any_": [str(run_id) for run_id in run_ids]},
                "state": {"type": {"any_": [StateType.SCHEDULED.value]}},
            },
            "work_pools": {"name": {"any_": [pool]}},
            "work_pool_queues": {"name": {"any_": list(queues)}},
            "limit": len(run_ids),
        },
    )
    order = {run_id: number for number, run_id in enumerate(run_ids)}
    found = [FlowRun.model_validate(entry) for entry in response.json()]
    due = [run for run in found if run.next_scheduled_start_time is None or run.next_scheduled_start_time <= now()]
    return sorted(due, key=lambda run: order[run.id])


async def begun_and_due(client: PrefectClient, pool: str, queues: Sequence[str], limit: int) -> list[FlowRun]:
    """Runs in these queues of the pool that had begun, waited for their time and are due again, the oldest first.

    To Prefect's own queue they are as new as the end of their wait.
    """
    response = await client.request(
        "POST",
        "/flow_runs/filter",
        json={
            "flow_runs": {
                "state": {"name": {"any_": ["AwaitingRetry"]}},
                "next_scheduled_start_time": {"before_": now().isoformat()},
            },
            "work_pools": {"name": {"any_": [pool]}},
            "work_pool_queues": {"name": {"any_": list(queues)}},
            "sort": FlowRunSort.EXPECTED_START_TIME_ASC.value,
            "limit": limit,
        },
    )
    return [FlowRun.model_validate(entry) for entry in response.json()]


async def claim(client: PrefectClient, run: FlowRun) -> State | None:
    """Take a scheduled run: its new state, or None when somebody else has it or it is not to be run any more."""
    state: State = Pending()
    try:
        answer = await client.set_flow_run_state(run.id, state)
    except ObjectNotFound:
        return None
    if answer.status is not SetStateStatus.ACCEPT or answer.state is None or not answer.state.is_pending():
        return None
    return answer.state


async def still_waits(client: PrefectClient, run_id: UUID) -> bool:
    """Whether a run is still one to be claimed."""
    try:
        run = await client.read_flow_run(run_id)
    except ObjectNotFound:
        return False
    return run.state is not None and run.state.type is StateType.SCHEDULED


async def sign(client: PrefectClient, run_id: UUID, worker_id: str | None) -> None:
    """Write into the run who has it, where Prefect keeps the id of a process or container; None: nobody."""
    await client.request(
        "PATCH",
        "/flow_runs/{id}",
        path_params={"id": run_id},
        json={"infrastructure_pid": worker_id},
    )


async def requeue(
    client: PrefectClient,
    run_id: UUID,
    reason: str,
    *,
    holder: str | None = None,
    after: float | None = None,
    begun: bool = True,
) -> None:
    """Send a run that nobody works at any more to the queue again, where it was; ``after`` so many seconds it is due.

    Until then its job is at work when it has ``begun``, else it waits like any other.

    One that is being cancelled is cancelled instead; one that ended, but by a crash, or was deleted, stays so; and so
    does one that another worker than ``holder`` has signed since.
    """
    try:
        run = await client.read_flow_run(run_id)
        kind = run.state.type if run.state is not None else None
        if holder is not None and worker_id_of(run) not in (None, holder):
            return
        if kind is StateType.CANCELLING:
            await settle_cancelled(client, run_id)
        elif kind is StateType.CRASHED or kind not in ENDED:
            # A scheduled run that still names a worker would wait for that worker when somebody cancels it.
            await sign(client, run_id, None)
            await _put_back(client, run_id, kind, _scheduled(run, reason, after, begun=begun))
    except ObjectNotFound:
        return


async def hasten(client: PrefectClient, run_id: UUID) -> bool:
    """Make a run due that waits for its time, where it was in the queue; False when it is at work, and will perhaps
    wait after that."""
    try:
        run = await client.read_flow_run(run_id)
        if run.state is None or run.state.type in ENDED:
            return True
        if run.state.type is not StateType.SCHEDULED:
            return False
        due_at = run.state.state_details.scheduled_time
        if due_at is None or due_at <= now():
            return True
        state: State = AwaitingRetry(message="What it waited for is there.", scheduled_time=place_of(run))
        answer = await client.set_flow_run_state(run_id, state)
    except ObjectNotFound:
        return True
    return answer.status is SetStateStatus.ACCEPT


def place_of(run: FlowRun) -> datetime:
    """When a run was due first. Prefect's queues are in the order of times: who was there before goes first again."""
    return run.expected_start_time or now()


async def _put_back(client: PrefectClient, run_id: UUID, seen: StateType | None, state: State) -> None:
    """Make a run wait again, unless it was cancelled or ended since it was ``seen``."""
    answer = await client.set_flow_run_state(run_id, state, force=seen is StateType.CRASHED)
    if answer.status is SetStateStatus.ACCEPT:
        return
    run = await client.read_flow_run(run_id)
    kind = run.state.type if run.state is not None else None
    if kind is StateType.CANCELLING:
        await settle_cancelled(client, run_id)
    elif kind is seen:  # no rule of Prefect's keeps us from what nobody else will do
        await client.set_flow_run_state(run_id, state, force=True)


def _scheduled(run: FlowRun, reason: str, after: float | None, *, begun: bool) -> State:
    """Who waits for its time finds its place again then, see `begun_and_due`."""
    if after is None:
        return Scheduled(message=reason, scheduled_time=place_of(run))
    later = now() + timedelta(seconds=after)
    return (AwaitingRetry if begun else Scheduled)(message=reason, scheduled_time=later)


async def crash(client: PrefectClient, run_id: UUID, reason: str) -> bool:
    """Mark a run whose worker is gone; False when it ended otherwise meanwhile."""
    try:
        state: State = Crashed(message=reason)
        answer = await client.set_flow_run_state(run_id, state)
    except ObjectNotFound:
        return False
    return answer.status is SetStateStatus.ACCEPT


async def fail(client: PrefectClient, run_id: UUID, code: str, sentence: str) -> None:
    """End a run that cannot be run, with an error that its job shows; see ``states.error_of``."""
    try:
        await client.set_flow_run_state(run_id, Failed(message=f"{code}: {sentence}"), force=True)
    except ObjectNotFound:
        return


async def complete(client: PrefectClient, run_id: UUID) -> None:
    """End a run that its flow could not end, whose job has a result all the same."""
    try:
        await client.set_flow_run_state(run_id, Completed(message="Done."), force=True)
    except ObjectNotFound:
        return


async def drop(client: PrefectClient, run_id: UUID, worker_id: str) -> None:
    """End a run that its worker let go of, unless another worker has it by now: its job needs it no more."""
    try:
        run = await client.read_flow_run(run_id)
    except ObjectNotFound:
        return
    mine = worker_id_of(run) in (None, worker_id)
    if mine and run.state is not None and run.state.type in (StateType.RUNNING, StateType.CANCELLING):
        await client.set_flow_run_state(run_id, Cancelled(message="The job no longer needs this run."), force=True)


async def settle_cancelled(client: PrefectClient, run_id: UUID) -> None:
    """Say that a cancelled run has stopped."""
    try:
        await client.set_flow_run_state(run_id, Cancelled(message="The job was cancelled."), force=True)
    except ObjectNotFound:
        return


async def cancel(client: PrefectClient, run_id: UUID) -> None:
    """Stop a run: at once when nobody has begun it, else by asking; a finished or deleted run stays what it is.

    Prefect itself makes Cancelled of Cancelling for a run that waits, holding its row: nobody can claim it meanwhile.
    """
    try:
        run = await client.read_flow_run(run_id)
    except ObjectNotFound:
        return
    state = run.state
    if state is not None and (state.type in ENDED or state.type is StateType.CANCELLING):
        return
    if state is None:
        await settle_cancelled(client, run_id)
        return
    asked: State = Cancelling(message="Somebody cancelled the job.")
    answer = await client.set_flow_run_state(run_id, asked)
    waited = state.type is StateType.SCHEDULED and worker_id_of(run) is not None
    if waited and answer.state is not None and answer.state.is_cancelling():
        # It names a worker that had it before it was put back: Prefect leaves it to that one, who knows nothing of it.
        await settle_cancelled(client, run_id)
