"""How a flow lets go of its run without deciding it: another attempt has it, the worker is leaving, or it must wait."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Event
from typing import NoReturn

from prefect.exceptions import Abort


@dataclass
class Parting:
    """What a flow tells its worker as it lets go of its run: when to run it again, if at all; and whether it had begun
    with its job, which otherwise waits in the queue like any other. ``trouble`` is the code of what is wrong with the
    worker's own disks, storage or device, when the flow met such a thing.

    ``wanted_back`` is what the worker tells the flow: to let go of the run. ``heard_at`` is when the flow last asked
    about that, in the seconds of `time.monotonic`: it does so between any two of its steps, however small.
    """

    wait_seconds: float | None = None
    begun: bool = True
    trouble: str | None = None
    wanted_back: bool = False
    heard_at: float = field(default_factory=time.monotonic)


_leaving: ContextVar[Event | None] = ContextVar("woa_worker_leaving", default=None)
_parting: ContextVar[Parting | None] = ContextVar("woa_run_parting", default=None)


def let_go(reason: str) -> NoReturn:
    """End this run of the flow function and leave the run's state to whoever has it now.

    Prefect would set the run to failed for any other exception, over the head of the attempt that superseded it.
    """
    raise Abort(reason)


def postpone(seconds: float, reason: str, *, begun: bool = True) -> NoReturn:
    """Let go of this run and have it run again ``seconds`` later: waiting holds no place.

    ``begun`` says whether its job is at work meanwhile, or still in the queue.

    Raises:
        RuntimeError: outside of a warm worker, which alone can do that.

    """
    parting = _parting.get()
    if parting is None:
        raise RuntimeError("Only a warm worker can run a flow again later.")
    parting.wait_seconds, parting.begun = seconds, begun
    let_go(reason)


def meet_trouble(code: str) -> None:
    """Tell the worker, when the run is over, of trouble of its own; outside of a worker nobody hears it."""
    parting = _parting.get()
    if parting is not None:
        parting.trouble = code


def expect_parting() -> Parting:
    """In the context of one run: what the flow leaves here is read when it is over."""
    parting = Parting()
    _parting.set(parting)
    return parting


def announce_leaving_by(event: Event) -> None:
    """In the context of a worker's threads: ``event`` is set when the worker wants its runs back in the queue."""
    _leaving.set(event)


def asked_to_leave() -> bool:
    """Whether the worker that runs this flow asks for the run back, or for all; who sees it calls ``let_go`` soon."""
    event, parting = _leaving.get(), _parting.get()
    if parting is not None:
        parting.heard_at = time.monotonic()
    return (event is not None and event.is_set()) or (parting is not None and parting.wanted_back)
