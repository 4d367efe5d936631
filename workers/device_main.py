"""A device process: the engine of one device, and flow runs in threads beside it.

It is started by workers/device.py with the number of an open socket as its only argument, and ends when the other end
of that is closed, which is when the worker is gone, however it went.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from prefect.client.schemas.objects import FlowRun

from orchestration.precedence import step_back
from orchestration.settling import settle_memory
from pipeline.runtime import Runtime
from speech.logs import configure, route_foreign_loggers
from tasks.current import use
from workers.door import Door
from workers.flows import FlowUnknown, import_flow
from workers.messages import Begin, Done, Ended, Leave, Pulse, Ready, Return, Run, Wire
from workers.preload import preload
from workers.threads import RunThreads

log = structlog.get_logger(__name__)

PULSE_SECONDS = 1.0
MAIN_FLOW = "flows.transcribe.transcribe"
_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


def main(descriptor: int) -> None:
    """Serve the worker at the other end until it closes."""
    _live_and_die_with_parent()
    wire = Wire(socket.socket(fileno=descriptor))
    begin = wire.read()
    if not isinstance(begin, Begin):
        return
    settings = begin.settings
    configure(settings, role="worker")
    route_foreign_loggers()
    runtime = Runtime.open(settings)
    # After the thread of the storage was started, which keeps its priority: who holds the database's write lock while
    # recognition has the cores keeps everybody waiting who would write.
    step_back(settings.worker_niceness)
    use(runtime)
    threads = RunThreads(settings)
    threads.open()
    try:
        House(wire, runtime, threads).serve()
    finally:
        threads.close()


@dataclass
class House:
    """What the device process does."""

    wire: Wire
    runtime: Runtime
    threads: RunThreads
    _busy: set[UUID] = field(default_factory=set)
    _door: Door | None = None

    def serve(self) -> None:
        """Run what comes until the worker is gone; then leave, without waiting for runs that still go on."""
        _import_ahead()
        settle_memory()
        device = self.runtime.engine.device
        self._door = Door.open(self.runtime)
        self.wire.send(Ready(f"{device.kind} ({device.compute_type})", str(self._door.path) if self._door else None))
        preload(self.runtime)
        threading.Thread(target=self._beat, name="pulse", daemon=True).start()
        while (message := self.wire.read()) is not None:
            if isinstance(message, Run):
                run = FlowRun.model_validate_json(message.run)
                self._busy.add(run.id)
                self.threads.start(run, message.entrypoint, self._done(run.id))
            elif isinstance(message, Leave):
                self.threads.leaving.set()
            elif isinstance(message, Return):
                self.threads.ask_back(message.run_id)
        if self._door is not None:
            self._door.close()
        if self._busy or (self._door is not None and self._door.busy):
            os._exit(0)  # runs are back in the queue, or will be; nobody waits for live requests any more
        use(None)
        self.runtime.close()

    def _done(self, run_id: UUID) -> Callable[[Ended], None]:
        def done(ended: Ended) -> None:
            self._busy.discard(run_id)
            self.wire.send(Done(run_id, ended))

        return done

    def _beat(self) -> None:
        while True:
            try:
                self.wire.send(self._pulse())
            except Exception:
                # The pulse says that the process lives; whatever it cannot count just now is no reason to die.
                log.exception("the pulse has no figures")
                self.wire.send(Pulse())
            time.sleep(PULSE_SECONDS)

    def _pulse(self) -> Pulse:
        stats = self.runtime.engine.stats()
        return Pulse(
            models=tuple(str(model.key) for model in stats.pool.models),
            memory_bytes=resident_bytes(),
            calls=stats.busy,
            waiting=stats.waiting,
            loads=stats.pool.loads,
            hits=stats.pool.hits,
            longest_call_seconds=stats.longest_call_seconds,
            slots=stats.slots,
            live=self._door.busy if self._door is not None else 0,
            quiet=tuple(str(run_id) for run_id in self.threads.quiet),
        )


def resident_bytes() -> int:
    """Resident memory of this process."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no path object once a second
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _import_ahead() -> None:
    """The first job shall not pay for the import of the main flow."""
    try:
        import_flow(MAIN_FLOW)
    except FlowUnknown as reason:
        log.error("the main flow cannot be imported", reason=str(reason))


def _live_and_die_with_parent() -> None:
    """Signals from a terminal are the worker's to hear; when the worker is killed, so is this process."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # A handler, unlike being ignored, is not handed on to the processes that decode.
        signal.signal(number, lambda *_: None)
    ctypes.CDLL(None, use_errno=True).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]))
