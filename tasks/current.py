"""The runtime of this process, for flow functions, whose only parameters are ids.

A warm worker opens one and hands it over with ``use``; in a process that Prefect's stock worker started, the first
call of ``current`` opens one from the environment.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from pipeline.runtime import Runtime
from speech.settings import Settings


@dataclass
class _Holder:
    runtime: Runtime | None = None


_holder = _Holder()
_lock = threading.Lock()


def use(runtime: Runtime | None) -> None:
    """Make ``runtime`` the one of this process; None lets go of it."""
    with _lock:
        _holder.runtime = runtime


def current() -> Runtime:
    """The runtime of this process."""
    with _lock:
        if _holder.runtime is None:
            _holder.runtime = Runtime.open(Settings())
        return _holder.runtime
