"""The runtime of this process, for flow functions, whose only parameters are ids.

The warm worker opens one and hands it over with ``use``.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.runtime import Runtime


@dataclass
class _Holder:
    runtime: Runtime | None = None


_holder = _Holder()


def use(runtime: Runtime | None) -> None:
    """Make ``runtime`` the one of this process; None lets go of it."""
    _holder.runtime = runtime


def current() -> Runtime:
    """The runtime of this process.

    Raises:
        RuntimeError: in a process that is no warm worker.

    """
    if _holder.runtime is None:
        raise RuntimeError("Jobs run in warm workers only: start one with `woa worker`.")
    return _holder.runtime
