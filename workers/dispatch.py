"""Taking runs from the queues and giving them to their places: woken by events, with a poll as the safety net."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import WorkerFlowRunResponse

from orchestration.beside import end
from orchestration.outages import Outage
from orchestration.runs import claim, job_id_of, lost_its_process, place_of, requeue, sign, still_waits
from speech.clock import now
from speech.errors import DeviceUnavailable
from speech.limits import AtWork, Limits
from speech.options import Priority
from storage.due import DueJob, DueJobs
from storage.store import Store
from workers.affinity import MOMENT_SECONDS, Affinity
from workers.announced import Announced
from workers.backlog import Backlog, in_order
from workers.choice import Choice, Room, choose
from workers.conclusion import Conclusion
from workers.condition import Condition
from workers.flows import Entrypoints, FlowUnknown
from workers.messages import Ended
from workers.places import Guest, Places

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.5
SIGN_SECONDS = 1.0
SIGNED_WITHIN_SECONDS = 5.0
FRESH_SECONDS = 0.3
"""How old a look may be whose runs are claimed without looking again."""
LOOKED_AT = 8
"""How many more runs than fit are looked at, so that owners take turns."""
MOST_LOOKED_AT = 200
"""What Prefect gives at most; so many are looked at when those in front cannot be taken."""
OWNERS_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Look:
    """What is due at a moment, so many ``waiting``, and what is to be taken of it; ``full``: there may be more."""

    choice: Choice
    jobs: Mapping[str, DueJob]
    looked_at: float
    waiting: int
    full: bool


@dataclass
class Dispatcher:
    """One worker's way from some queues of a pool to its places."""

    client: PrefectClient
    store: Store
    pool: str
    worker_id: str
    queues: Callable[[], tuple[str, ...]]
    """Which ones, at present."""
    places: Places
    suspects: Places | None = None
    affinity: Affinity | None = None
    backlog: Backlog | None = None
    limits: Limits | None = None
    announced: Announced | None = None
    condition: Condition = field(default_factory=Condition)
    long_seconds: float = 0.0
    """Seconds of recordings from which a job is long; 0: none is."""
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _urgent: bool = False
    """Whether something came to the most urgent queue since the last look began."""
    _entrypoints: Entrypoints = field(default_factory=Entrypoints)
    _owners: dict[UUID, str] = field(default_factory=dict)
    _served: dict[str, float] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _outage: Outage = field(default_factory=lambda: Outage("Prefect or the database"))

    @property
    def runs(self) -> tuple[UUID, ...]:
        """The runs that have a place here."""
        return self.places.runs + (self.suspects.runs if self.suspects is not None else ())

    def hear(self, run_id: UUID | None, queue: str | None = None) -> None:
        """Look at once: a run waits, this one when it is named, in that queue."""
        self._urgent = self._urgent or (queue is not None and queue == self.queues()[0])
        if run_id is not None and self.announced is not None:
            self.announced.hear(run_id)
        self.wake.set()

    async def serve(self, stop: asyncio.Event) -> None:
        """Claim and start runs until ``stop`` is set. Outages are borne."""
        while not stop.is_set():
            try:
                await self.take()
                self._outage.over()
            except Exception as reason:  # noqa: BLE001 - a worker outlives every outage
                self._outage.met(reason)
            await self._rest()

    async def take(self) -> int:
        """Claim as many due runs as there is room for, and start them; how many."""
        room = self._room()
        if room.ordinary + room.suspects + room.beside <= 0 or not self.queues():
            return 0
        announced = await self.announced.due(room.ordinary) if self.announced is not None else None
        look = await (self._newest(room) if announced is None else self._chosen(announced, room, time.monotonic()))
        if look.choice.left_to_others:
            asyncio.get_running_loop().call_later(MOMENT_SECONDS, self.wake.set)
        started = sum(
            await asyncio.gather(
                *(self._start(run, self.places, look) for run in look.choice.ordinary),
                *(self._start(run, self.suspects, look) for run in look.choice.suspects),
            )
        )
        all_taken = not look.full and started == look.waiting
        if self.announced is not None and (announced is None or not all_taken):
            self.announced.looked(all_taken=all_taken)
        return started

    async def _newest(self, room: Room) -> Look:
        """Look at what is due; once more when something urgent came meanwhile, of which the answer may not know."""
        self._urgent = False
        look = await self._look(room)
        first = self.queues()[0]
        waits = self._urgent and any(run.work_queue_name != first for run in look.choice.ordinary)
        return await self._look(room) if waits else look

    def _room(self) -> Room:
        """How many runs fit, and may be taken by a worker that is as well as this one."""
        suspects = self.suspects.free if self.suspects is not None else 0
        return Room(
            self.condition.room(max(0, self.places.free)),
            0 if self.condition.resting else suspects,
            0 if self.condition.trouble is not None else self.places.beside,
        )

    async def _look(self, room: Room) -> Look:
        """Look at what is due, and further when those in front cannot be taken."""
        limit = room.ordinary + room.suspects + room.beside + LOOKED_AT
        while True:
            due = await self._due(limit)
            looked_at, full = time.monotonic(), len(due) >= limit
            if full and self.backlog is not None and room.ordinary + room.beside > 0:  # suspects are among the first
                beside = room.beside > 0
                due = await self.backlog.completed(due, room.ordinary + room.beside, self.queues(), light=beside)
            due = in_order(due, self.queues())
            look = await self._chosen(due, room, looked_at, full=full)
            if len(look.choice.ordinary) >= room.ordinary or not full or limit >= MOST_LOOKED_AT:
                return look
            limit = min(MOST_LOOKED_AT, limit * 2)

    async def _chosen(self, due: Sequence[FlowRun], room: Room, looked_at: float, *, full: bool = False) -> Look:
        here = set(self.runs)
        waiting = [run for run in due if run.id not in here]
        jobs = await self._jobs_of(waiting)
        choice = choose(
            waiting,
            jobs,
            room,
            running=Counter(self._owners.values()),
            served=self._served,
            leave=self._leave_to_others,
            admit=await self._admission(jobs),
            light=lambda run, job: self._guest(run, job).light,
            again=lambda run: self.suspects is not None and lost_its_process(run),
        )
        return Look(choice, jobs, looked_at, len(waiting), full)

    async def _jobs_of(self, due: Sequence[FlowRun]) -> dict[str, DueJob]:
        jobs = await DueJobs(self.store.database).of([job_id for run in due if (job_id := job_id_of(run))])
        if self.affinity is not None:
            await self.affinity.look(job.model for job in jobs.values())
        return jobs

    async def _admission(self, jobs: Mapping[str, DueJob]) -> Callable[[DueJob], bool]:
        """What says of one job after the other whether limits allow it beside those at work and those before."""
        if not self.limits or not jobs:
            return lambda job: True
        limits, at_work = self.limits, await DueJobs(self.store.database).at_work()

        def admit(job: DueJob) -> bool:
            asked = AtWork(job.owner_id, job.model)
            if not job.begun:
                if not limits.leave_room(asked, at_work):
                    return False
                at_work.append(asked)
            return True

        return admit

    def _guest(self, run: FlowRun, job: DueJob | None) -> Guest:
        """A run as one who wants a place."""
        urgent = run.work_queue_name == str(Priority.EXPRESS)
        if job is None:
            return Guest(urgent=urgent)
        long = 0 < self.long_seconds <= job.seconds
        return Guest(job.job_id, urgent=urgent, long=long)

    def _serve(self, owner_id: str) -> None:
        """Note that the owner had a turn; who had theirs long ago is as good as one who had none."""
        self._served.pop(owner_id, None)
        self._served[owner_id] = time.monotonic()
        if len(self._served) > OWNERS_REMEMBERED:
            del self._served[next(iter(self._served))]

    async def settle(self) -> None:
        """Wait until no run is in work."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def hand_back(self) -> None:
        """Send what is still in work to the queue, for other workers, and let go of it."""
        await asyncio.gather(*(self._give_back(run_id) for run_id in self.runs))
        for task in self._tasks:
            task.cancel()
        await self.settle()

    async def _give_back(self, run_id: UUID) -> None:
        try:
            await requeue(self.client, run_id, "The worker stopped.", holder=self.worker_id)
        except Exception as reason:  # noqa: BLE001 - control does it as soon as the beat is missed
            self._outage.met(reason)

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self.wake.wait()
        except TimeoutError:
            return
        finally:
            self.wake.clear()

    async def _due(self, limit: int) -> Sequence[FlowRun]:
        response = await self.client.request(
            "POST",
            "/work_pools/{name}/get_scheduled_flow_runs",
            path_params={"name": self.pool},
            json={"limit": limit, "scheduled_before": now().isoformat(), "work_queue_names": list(self.queues())},
        )
        return [WorkerFlowRunResponse.model_validate(entry).flow_run for entry in response.json()]

    def _leave_to_others(self, run: FlowRun, job: DueJob) -> bool:
        """Whether another worker should have the first try, as long as the run has not waited for its moment."""
        if self.affinity is None or not self.affinity.better_elsewhere(job.model):
            return False
        due_at = run.next_scheduled_start_time or place_of(run)
        # What goes back to its place in the queue, or is made there, has been due for longer than it has waited.
        since = due_at if run.state is None else max(due_at, run.state.timestamp)
        return (now() - since).total_seconds() < MOMENT_SECONDS

    async def _start(self, run: FlowRun, places: Places | None, look: Look) -> bool:
        job = look.jobs.get(job_id_of(run) or "")
        if places is None or not places.reserve(run.id, self._guest(run, job)):
            return False
        try:
            # Prefect takes a claim of a run that has ended meanwhile for one of a run that waits.
            stale = time.monotonic() - look.looked_at > FRESH_SECONDS
            state = None if stale and not await still_waits(self.client, run.id) else await claim(self.client, run)
        except BaseException:
            places.release(run.id)
            raise
        if state is None:
            places.release(run.id)
            return False
        run.state = state
        self.condition.took(run.id)
        if job is not None and not job.suspect:
            self._owners[run.id] = job.owner_id
            self._serve(job.owner_id)
            if self.affinity is not None:
                self.affinity.used(job.model)
        task = asyncio.create_task(self._see_through(run, places), name=f"run-{run.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _see_through(self, run: FlowRun, places: Places) -> None:
        """Run it, and leave it in a state that somebody will act on."""
        try:
            signed = asyncio.create_task(self._sign(run))
            try:
                ended = await self._run(run, places)
                await asyncio.wait({signed}, timeout=SIGNED_WITHIN_SECONDS)
            finally:
                await end(signed)
            begins_to_rest = self.condition.saw(run, ended)
            if ended.trouble == DeviceUnavailable.code:
                places.renew(run.id, at_once=begins_to_rest)
            if ended.lost is not None and self.affinity is not None:
                self.affinity.lost()
            await Conclusion(self.client, self.store, self.worker_id, self.leaving).conclude(run, ended)
        finally:
            places.release(run.id)
            self._owners.pop(run.id, None)
            self.wake.set()

    async def _sign(self, run: FlowRun) -> None:
        """Write our name into the run, as long as it is here and nobody heard it."""
        while True:
            try:
                return await sign(self.client, run.id, self.worker_id)
            except Exception as reason:  # noqa: BLE001 - said again until it is heard
                self._outage.met(reason)
                await asyncio.sleep(SIGN_SECONDS)

    async def _run(self, run: FlowRun, places: Places) -> Ended:
        try:
            return await places.run(run, await self._entrypoints.of(self.client, run.deployment_id))
        except FlowUnknown as reason:
            log.error("a run cannot be run here", flow_run_id=str(run.id), reason=str(reason))
            return Ended(None, refusal=str(reason))
        except Exception:
            log.exception("a run could not be given to its place", flow_run_id=str(run.id))
            return Ended(None, broken=True)
