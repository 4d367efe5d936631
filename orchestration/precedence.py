"""Who goes first on a machine that all parts share: clients' questions, then what follows jobs, then recognition.

The API keeps the priority that it was started with. A question to it is answered in a millisecond or two of a core,
while recognition takes every core that there is, and Prefect most of one when jobs come thick.

Processes that we start are given a process group of their own, never a session: Linux shares out the cores between
sessions first (sched_autogroup, see sched(7)), and niceness counts only within one.
"""

from __future__ import annotations

import os

BOOKKEEPING_NICENESS = 3
"""How far the embedded Prefect server and control step back."""


def step_back(niceness: int) -> None:
    """Let the machine's more urgent processes go first: at least ``niceness`` (0..19) from here on."""
    os.nice(max(0, niceness - os.nice(0)))
