"""A device process, seen from the worker: one long-lived child beside whose models several runs go on at once.

The child may die at any moment, of a decoder's bug, of the kernel's out-of-memory killer, of a person. Whoever waits
for one of its runs is told so at once. A child that gives no sign of life for too long is killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import structlog
from prefect.client.schemas.objects import FlowRun

from engine.spinning import spin_little
from orchestration.beside import end
from speech.settings import Settings
from workers.messages import Begin, Done, Ended, Leave, Lost, Message, Pulse, Ready, Return, Run, framed, read

log = structlog.get_logger(__name__)

START_SECONDS = 120.0
STOP_SECONDS = 5.0
LOOK_SECONDS = 2.0
ROOT = Path(__file__).parent.parent


class DeviceFailed(RuntimeError):
    """A device process did not come up."""


@dataclass
class DeviceProcess:
    """One child process and the runs that it has. Made by ``start``; used from one event loop."""

    process: asyncio.subprocess.Process
    writer: asyncio.StreamWriter
    hang_seconds: float
    call_seconds: float
    device: str = ""
    socket: str | None = None
    """Where it listens for live servers, if it does."""
    pulse: Pulse = field(default_factory=Pulse)
    failed: set[UUID] = field(default_factory=set)
    """The runs that met its device failing."""
    _runs: dict[UUID, asyncio.Future[Ended]] = field(default_factory=dict)
    _heard_at: float = field(default_factory=time.monotonic)
    _forced: str | None = None
    _overdue: frozenset[UUID] = frozenset()
    _hung: frozenset[UUID] = frozenset()
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @classmethod
    async def start(cls, settings: Settings, environment: Mapping[str, str] | None = None) -> DeviceProcess:
        """Start a child and wait until it can take runs; ``environment`` is added to ours.

        Raises:
            DeviceFailed: when it ends instead, or takes too long.

        """
        ours, theirs = socket.socketpair()
        try:
            process = await _spawn(theirs.fileno(), environment or {})
        finally:
            theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(framed(Begin(settings)))
        child = cls(process, writer, settings.worker_hang_seconds, settings.model_call_seconds)
        try:
            async with asyncio.timeout(START_SECONDS):
                first = await read(reader)
        except TimeoutError:
            first = None
        except asyncio.CancelledError:
            await child._end_process()
            raise
        if not isinstance(first, Ready):
            await child._end_process()
            raise DeviceFailed(f"A device process did not start (exit {process.returncode}); its log says why.")
        child.device, child.socket, child._heard_at = first.device, first.socket, time.monotonic()
        child._tasks = [asyncio.create_task(child._listen(reader)), asyncio.create_task(child._watch())]
        return child

    @property
    def alive(self) -> bool:
        """Whether it can be given runs."""
        return self.process.returncode is None and not self.writer.is_closing() and self._forced is None

    @property
    def runs(self) -> tuple[UUID, ...]:
        """The runs that it has."""
        return tuple(self._runs)

    async def run(self, run: FlowRun, entrypoint: str) -> Ended:
        """Have a run run, and say how it was left: that it was lost, too, when the process died."""
        if not self.alive:
            return Ended(None, lost=Lost(1, "it had died before", forced=True))
        ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._runs[run.id] = ended
        self.writer.write(framed(Run(run.model_dump_json(), entrypoint)))
        return await ended

    def leave(self) -> None:
        """Ask for all runs back; each lets go at its next piece."""
        self.writer.write(framed(Leave()))

    def ask_back(self, run_id: UUID) -> None:
        """Ask for one run back."""
        self.writer.write(framed(Return(run_id)))

    def kill(self, cause: str, *, overdue: Collection[UUID] = (), hung: Collection[UUID] = ()) -> None:
        """End it now. What it had is lost, through no fault of those runs, but for those that are ``hung``; the time of
        those that are ``overdue`` is over."""
        if self.process.returncode is None:
            self._forced, self._overdue, self._hung = cause, frozenset(overdue), frozenset(hung)
            with suppress(ProcessLookupError):
                self.process.kill()

    async def close(self) -> None:
        """Let it end; kill it when it does not."""
        await self._end_process()
        for task in self._tasks:
            await end(task)

    async def ended(self) -> None:
        """Return when the process is gone and everybody who waited was told."""
        await asyncio.wait(self._tasks[:1])

    async def _end_process(self) -> None:
        self.writer.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self.process.wait()
        except TimeoutError:
            self.kill("it did not stop")
            await self.process.wait()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while (message := await read(reader)) is not None:
                self._heard_at = time.monotonic()
                self._take(message)
        finally:
            self.writer.close()
            self._tell_all(await self._cause_of_death())

    def _take(self, message: Message) -> None:
        if isinstance(message, Done):
            waiting = self._runs.pop(message.run_id, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message.ended)
        elif isinstance(message, Pulse):
            self.pulse = message

    async def _cause_of_death(self) -> str:
        try:
            async with asyncio.timeout(STOP_SECONDS):
                code = await self.process.wait()
        except TimeoutError:
            # It closed its end and lives on: nobody would hear of its runs any more.
            self.process.kill()
            code = await self.process.wait()
        return self._forced or _described(code)

    def _tell_all(self, cause: str) -> None:
        lost, self._runs = self._runs, {}
        for run_id, waiting in lost.items():
            if not waiting.done():
                innocent = self._forced is not None and run_id not in self._hung
                overdue = run_id in self._overdue
                waiting.set_result(Ended(None, lost=Lost(len(lost), cause, forced=innocent, overdue=overdue)))
        if lost:
            log.error("a device process died", cause=cause, runs=len(lost))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self.pulse.quiet:
                log.error("a run hangs; its process is killed", flow_run_ids=self.pulse.quiet)
                self.kill("a run of it hung", hung=[UUID(run_id) for run_id in self.pulse.quiet])
                return
            silent = time.monotonic() - self._heard_at
            if silent > self.hang_seconds or self.pulse.longest_call_seconds > self.call_seconds:
                log.error(
                    "a device process hangs and is killed",
                    silent_seconds=round(silent),
                    longest_call_seconds=round(self.pulse.longest_call_seconds),
                )
                with suppress(ProcessLookupError):
                    self.process.kill()
                return


async def _spawn(descriptor: int, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
    whole = {**os.environ, "PYTHONPATH": path, **environment}
    spin_little(whole)
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "workers.device_main",
        str(descriptor),
        stdin=asyncio.subprocess.DEVNULL,
        pass_fds=(descriptor,),
        env=whole,
        process_group=0,
    )


def _described(code: int) -> str:
    if code >= 0:
        return f"exit {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
