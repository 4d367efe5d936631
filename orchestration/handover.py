"""How a flow lets go of its run without deciding it: another attempt has it, or the worker is leaving."""

from __future__ import annotations

from typing import NoReturn

from prefect.exceptions import Abort


def let_go(reason: str) -> NoReturn:
    """End this run of the flow function and leave the run's state to whoever has it now.

    Prefect would set the run to failed for any other exception, over the head of the attempt that superseded it.
    """
    raise Abort(reason)
