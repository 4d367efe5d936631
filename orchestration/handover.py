"""How a flow lets go of its run without deciding it: another attempt has it, or the worker is leaving."""

from __future__ import annotations

from contextvars import ContextVar
from threading import Event
from typing import NoReturn

from prefect.exceptions import Abort

_leaving: ContextVar[Event | None] = ContextVar("woa_worker_leaving", default=None)


def let_go(reason: str) -> NoReturn:
    """End this run of the flow function and leave the run's state to whoever has it now.

    Prefect would set the run to failed for any other exception, over the head of the attempt that superseded it.
    """
    raise Abort(reason)


def announce_leaving_by(event: Event) -> None:
    """In the context of a worker's threads: ``event`` is set when the worker wants its runs back in the queue."""
    _leaving.set(event)


def asked_to_leave() -> bool:
    """Whether the worker that runs this flow asks for the run back; a flow that sees it calls ``let_go`` soon."""
    event = _leaving.get()
    return event is not None and event.is_set()
