"""Keeps processes running: starts them together, prefixes their lines, restarts what crashes, stops them in order."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from speech.redaction import redacted

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
SETTLED_SECONDS = 60.0
"""A part that ran for so long before it crashed is restarted without more delay than the first time."""
FAILED_STARTS = 5
"""A part that crashes so often without ever having been ready ends it all: something must be mended first."""
READY = "\x1eready"
"""What a part may print to say that it does its work now."""
PROBE_SECONDS = 0.2
LINE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One process. ``ready`` says whether it does its work; ``stop_seconds`` is how long it may take to stop.

    Without a ``ready`` it is ready when it prints ``READY``, a line that goes no further.
    ``environment`` replaces the supervisor's for it, ``folder`` is where it runs.
    """

    name: str
    command: tuple[str, ...]
    ready: Callable[[], Awaitable[bool]] | None
    stop_seconds: float
    environment: Mapping[str, str] | None = None
    folder: Path | None = None


class PartFailed(Exception):
    """A part does not start, again and again."""


@dataclass
class Supervisor:
    """Runs ``parts`` until it is told to stop; they are stopped one after the other, the last one first.

    ``on_ready(name, seconds)`` is called once for each part, with the seconds since the start;
    ``write(name, line)`` gets every line that a part prints, and what the supervisor says in its own name.
    """

    parts: Sequence[Part]
    environment: Mapping[str, str]
    write: Callable[[str, str], None]
    on_ready: Callable[[str, float], None]
    on_all_ready: Callable[[float], None]
    _running: dict[str, Child] = field(default_factory=dict)
    _ready: set[str] = field(default_factory=set)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _began: float = 0.0

    async def run(self) -> None:
        """Run until SIGINT or SIGTERM; a second one kills what still runs.

        Raises:
            PartFailed: when a part crashed FAILED_STARTS times without ever having been ready.

        """
        self._began = monotonic()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.interrupt)
        keepers = [asyncio.create_task(self._keep(part)) for part in self.parts]
        watcher = asyncio.create_task(self._watch())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({stopping, *keepers}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stopping.set()
            watcher.cancel()
            await self._stop_all()
            outcomes = await asyncio.gather(*keepers, return_exceptions=True)
            await asyncio.gather(watcher, stopping, return_exceptions=True)
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    def interrupt(self) -> None:
        """Stop in order; when that has been asked for before, kill."""
        if not self._stopping.is_set():
            self.write("woa", "Stopping; once more to kill.")
            self._stopping.set()
            return
        for child in self._running.values():
            child.kill()

    async def _keep(self, part: Part) -> None:
        crashes = 0
        while not self._stopping.is_set():
            started = monotonic()
            child = await Child.start(part, self.environment, self.write)
            self._running[part.name] = child
            if self._stopping.is_set():  # told to stop while it started
                await child.stop(part.stop_seconds)
            code = await child.finished()
            if self._stopping.is_set():
                return
            crashes = 1 if monotonic() - started > SETTLED_SECONDS else crashes + 1
            if crashes >= FAILED_STARTS and part.name not in self._ready:
                raise PartFailed(f"{part.name} failed {crashes} times to start; its last lines say why.")
            delay = min(FIRST_DELAY * 2 ** (crashes - 1), LONGEST_DELAY)
            self.write("woa", f"{part.name} ended ({_ending(code)}); it starts again in {delay:g} s.")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def _watch(self) -> None:
        await asyncio.gather(*(self._watch_one(part) for part in self.parts))
        self.on_all_ready(monotonic() - self._began)

    async def _watch_one(self, part: Part) -> None:
        while True:
            if await self._is_ready(part):
                break
            await asyncio.sleep(PROBE_SECONDS)
        self._ready.add(part.name)
        self.on_ready(part.name, monotonic() - self._began)

    async def _is_ready(self, part: Part) -> bool:
        child = self._running.get(part.name)
        if child is None:
            return False
        return child.said_ready.is_set() if part.ready is None else await part.ready()

    async def _stop_all(self) -> None:
        for part in reversed(self.parts):
            child = self._running.get(part.name)
            if child is not None and not await child.stop(part.stop_seconds):
                self.write("woa", f"{part.name} did not stop within {part.stop_seconds:g} s and was killed.")


class Child:
    """One started process, leader of a process group of its own, so that Ctrl-C reaches the supervisor alone.

    Its standard input is a pipe that nobody writes to: the end of it tells the child that the supervisor is gone.
    """

    def __init__(
        self, process: asyncio.subprocess.Process, pump: asyncio.Task[None], said_ready: asyncio.Event
    ) -> None:
        self._process, self._pump = process, pump
        self.said_ready = said_ready

    @classmethod
    async def start(cls, part: Part, environment: Mapping[str, str], write: Callable[[str, str], None]) -> Child:
        """Start the process of a part."""
        process = await asyncio.create_subprocess_exec(
            *part.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(part.environment or environment),
            cwd=part.folder,
            process_group=0,
            limit=LINE_BYTES,
        )
        said_ready = asyncio.Event()

        def heard(line: str) -> None:
            if line == READY:
                said_ready.set()
            else:
                write(part.name, redacted(line))

        return cls(process, asyncio.create_task(_pump(process, heard)), said_ready)

    async def finished(self) -> int:
        """Wait for the end and for its last line; the exit code, negative for a signal.

        What the process has left running in its group is killed.
        """
        code = await self._process.wait()
        self.kill()
        await self._pump
        return code

    async def stop(self, seconds: float) -> bool:
        """Ask it to stop and wait; kill it, and say False, when it takes longer than ``seconds``."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            self.kill()
            await self._process.wait()
            return False
        return True

    def kill(self) -> None:
        """End the process and all that it started, now."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


async def _pump(process: asyncio.subprocess.Process, heard: Callable[[str], None]) -> None:
    if process.stdout is None:
        return
    while True:
        try:
            line = await process.stdout.readline()
        except ValueError:  # longer than LINE_BYTES; asyncio has thrown the part that it read away
            continue
        if not line:
            return
        heard(line.decode("utf-8", "replace").rstrip("\r\n"))


def _ending(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"


def prefixed(width: int) -> Callable[[str, str], None]:
    """Write lines for people: the name of the part in front."""

    def write(name: str, line: str) -> None:
        _out(f"{name.ljust(width)} | {line}")

    return write


def as_json() -> Callable[[str, str], None]:
    """Write lines for programs: a part's own JSON as it came, anything else wrapped."""

    def write(name: str, line: str) -> None:
        _out(line if line.startswith("{") else json.dumps({"role": name, "event": line}, ensure_ascii=False))

    return write


def _out(line: str) -> None:
    with suppress(BrokenPipeError, ValueError):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
