"""The moments at which processes are killed: waited for, held still with SIGSTOP, checked, and only then used.

What was seen may be over before a signal arrives. So those concerned are stopped first; then it is looked again whether
the moment lasts. If it does, the victim dies in it for certain; if not, all go on as if nothing had been.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks import kills
from benchmarks.kills import Kill
from benchmarks.roles import Role
from benchmarks.sight import Sight
from speech.jobs import transcript_id_of
from storage.tables import DEFAULT_OWNER

LOOK_SECONDS = 0.002
FULLY_WRITTEN_SECONDS = 0.2
SETTLE_SECONDS = 0.03
"""For what stopped processes have sent already: others answer it."""


@dataclass(frozen=True, slots=True)
class Victim:
    """Who is to be killed: a worker or another role, and which process of it."""

    role: Role
    pid: int

    def kill(self) -> None:
        """Kill it; a device process is its worker's to start again."""
        if self.pid == self.role.pid:
            self.role.kill()
        else:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


@dataclass
class Moments:
    """Waits for the moments of one installation; ``answered`` says how many submissions have their answer."""

    sight: Sight
    answered: Callable[[], int]
    sending: Callable[[Callable[[int], None] | None], None]
    """Has the receiver of webhooks call back with the sender's port, before it answers; None: no more."""
    _seen: set[str] = field(default_factory=set)

    async def strike(self, kill: Kill) -> Role:
        """Kill somebody in the moment that the plan names; whose process it was."""
        if kill.moment == kills.AT_RANDOM:
            return await self.at_random(kill)
        moments: dict[str, Callable[[Kill], Awaitable[Role | None]]] = {
            kills.CLAIM_START: self._claimed,
            kills.WRITE_COMMIT: self._written,
            kills.COMMIT_EVENT: self._committed,
            kills.END_SEEN: self._run_ended,
            kills.MADE_TOLD: self._run_made,
            kills.SENT_NOTED: self._sent,
            kills.ACCEPTED_ANSWERED: self._accepted,
        }
        self._seen = set(self._transcripts())
        while (struck := await moments[kill.moment](kill)) is None:
            await asyncio.sleep(LOOK_SECONDS)
        return struck

    async def at_random(self, kill: Kill) -> Role:
        """Kill somebody after the plan's delay."""
        await asyncio.sleep(kill.delay)
        while True:
            if found := self._processes(kill.role):
                victim = found[int(kill.choice * len(found))]
                victim.kill()
                return victim.role
            await asyncio.sleep(0.1)

    def _processes(self, name: str) -> list[Victim]:
        roles = self.sight.parts.workers if name in ("worker", "device") else [self.sight.parts.roles[name]]
        up = [Victim(role, role.pid) for role in roles if role.pid is not None]
        if name != "device":
            return up
        return [Victim(worker.role, pid) for worker in up for pid in device_pids(worker.pid)]

    async def _claimed(self, kill: Kill) -> Role | None:
        """A run is Pending, and its worker known by its signature."""
        if not await self.sight.runs_in("PENDING"):
            return None
        async with self._workers_held():
            for job_id, worker_id in await self.sight.runs_in("PENDING"):
                if (victim := await self._holder(worker_id, job_id, kill.role)) is not None:
                    victim.kill()
                    return victim.role
        return None

    async def _written(self, kill: Kill) -> Role | None:
        """A transcript lies in storage, and no row names it."""
        fresh = [name for name in self._transcripts() if name not in self._seen]
        self._seen.update(fresh)
        for transcript_id in fresh:
            if not await self._fully_written(transcript_id):
                continue
            async with self._workers_held():
                rows = "SELECT 1 FROM transcripts WHERE transcript_id = :id"
                job_id = await self._job_of(transcript_id)
                if await self.sight.ours(rows, id=transcript_id) or job_id is None:
                    continue
                if (role := await self._kill_holder(job_id, kill.role, "RUNNING")) is not None:
                    return role
        return None

    async def _committed(self, kill: Kill) -> Role | None:
        """A job's last file is done, and Prefect takes its run for one at work."""
        done = (
            "SELECT jobs.job_id FROM jobs JOIN job_files ON job_files.job_id = jobs.job_id "
            "WHERE jobs.status = 'processing' AND job_files.status = 'completed'"
        )
        found = {row[0] for row in await self.sight.ours(done)}
        fresh = found - self._seen
        self._seen |= fresh
        if not fresh:
            return None
        async with self._workers_held():
            for job_id in fresh:
                if (role := await self._kill_holder(job_id, kill.role, "RUNNING")) is not None:
                    return role
        return None

    async def _run_ended(self, kill: Kill) -> Role | None:
        """Prefect knows the end of a run whose job is still shown at work."""
        at_work = "SELECT job_id FROM jobs WHERE status = 'processing'"
        ended = {name for name, _ in await self.sight.runs_in("COMPLETED")}
        if not ended & {row[0] for row in await self.sight.ours(at_work)}:
            return None
        control = self.sight.parts.roles["control"]
        async with self._held([control]):
            if ended & {row[0] for row in await self.sight.ours(at_work)}:
                return self._kill_role(control)
        return None

    async def _run_made(self, kill: Kill) -> Role | None:
        """Prefect has the run of a job that does not know it. Control goes on step by step until it is so far."""
        untold = "SELECT job_id FROM jobs WHERE status = 'queued' AND flow_run_id IS NULL"
        control = self.sight.parts.roles["control"]
        if not await self.sight.ours(untold):
            return None
        async with self._held([control]):
            for (job_id,) in await self.sight.ours(untold):
                if await self.sight.run_of(job_id) is not None:
                    return self._kill_role(control)
        return None

    async def _sent(self, kill: Kill) -> Role | None:
        """A webhook has come, and its sender waits for the answer."""
        loop = asyncio.get_running_loop()
        struck: asyncio.Future[Role] = loop.create_future()

        def settle(role: Role) -> None:
            if not struck.done():
                struck.set_result(role)

        def heard(port: int) -> None:
            for victim in self._processes("worker"):
                if not struck.done() and port in _ports(victim.pid):
                    victim.kill()
                    loop.call_soon_threadsafe(settle, victim.role)
                    return

        self.sending(heard)
        try:
            return await struck
        finally:
            self.sending(None)

    async def _accepted(self, kill: Kill) -> Role | None:
        """A job's row is committed, and its client has no answer."""
        if not await self._is_unanswered():
            return None
        api = self.sight.parts.roles["api"]
        async with self._held([api]):
            if await self._is_unanswered():
                return self._kill_role(api)
        return None

    async def _is_unanswered(self) -> bool:
        ((count,),) = await self.sight.ours("SELECT count(*) FROM jobs")
        return bool(count > self.answered())

    def _kill_role(self, role: Role) -> Role | None:
        if role.pid is None:
            return None
        role.kill()
        return role

    async def _kill_holder(self, job_id: str, role: str, state: str) -> Role | None:
        """Kill whoever has the job's run, when Prefect has that in this state."""
        run = await self.sight.run_of(job_id)
        if run is None or run[0] != state:
            return None
        victim = await self._holder(run[1], job_id, role)
        if victim is None:
            return None
        victim.kill()
        return victim.role

    async def _holder(self, worker_id: str | None, job_id: str, role: str) -> Victim | None:
        """The worker of that id, or its process that has the job; None when that cannot be told."""
        details = await self.sight.worker_details(worker_id or "")
        worker = next((one for one in self.sight.parts.workers if one.pid and one.pid == details.get("pid")), None)
        if worker is None or worker.pid is None:
            return None
        if role != "device":
            return Victim(worker, worker.pid)
        ordinary = {device["pid"] for device in details["devices"]}
        suspect = await self.sight.ours("SELECT suspect FROM jobs WHERE job_id = :id", id=job_id)
        alone = bool(suspect and suspect[0][0])  # then it has a process of its own, beside the ordinary one
        theirs = [pid for pid in device_pids(worker.pid) if (pid not in ordinary) is alone]
        return Victim(worker, theirs[0]) if len(theirs) == 1 else None

    def _transcripts(self) -> list[str]:
        folder = self.sight.parts.settings.data_dir / "blobs" / "owners" / DEFAULT_OWNER / "transcripts"
        return [path.name for path in folder.iterdir()] if folder.is_dir() else []

    async def _fully_written(self, transcript_id: str) -> bool:
        folder = Path(self.sight.parts.settings.data_dir, "blobs/owners", DEFAULT_OWNER, "transcripts", transcript_id)
        try:
            async with asyncio.timeout(FULLY_WRITTEN_SECONDS):
                while not any(folder.glob("*/transcript.json")):
                    await asyncio.sleep(LOOK_SECONDS / 4)
        except TimeoutError:
            return False
        return True

    async def _job_of(self, transcript_id: str) -> str | None:
        rows = await self.sight.ours("SELECT job_id, file_id FROM job_files WHERE status = 'processing'")
        return next((row[0] for row in rows if transcript_id_of(row[0], row[1]) == transcript_id), None)

    @asynccontextmanager
    async def _workers_held(self) -> AsyncIterator[None]:
        async with self._held(self.sight.parts.workers):
            yield

    @asynccontextmanager
    async def _held(self, roles: Iterable[Role]) -> AsyncIterator[None]:
        """Hold processes still, those of devices with them."""
        pids = [role.pid for role in roles if role.pid is not None]
        pids += [child for pid in pids for child in device_pids(pid)]
        _signal(pids, signal.SIGSTOP)
        try:
            await asyncio.sleep(SETTLE_SECONDS)
            yield
        finally:
            _signal(pids, signal.SIGCONT)


def device_pids(worker_pid: int) -> list[int]:
    """The device processes of a worker; read from /proc, since what is looked for may be over in milliseconds."""
    found: list[int] = []
    for listing in Path(f"/proc/{worker_pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(pid) for pid in listing.read_text().split()]
    return [pid for pid in found if _is_device(pid)]


def _is_device(pid: int) -> bool:
    with suppress(OSError):
        return b"workers.device_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _ports(pid: int) -> set[int]:
    with suppress(psutil.Error):
        return {connection.laddr.port for connection in psutil.Process(pid).net_connections("tcp") if connection.laddr}
    return set()


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
