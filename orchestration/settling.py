"""Processes that have started: what they hold by then stays."""

from __future__ import annotations

import gc


def settle_memory() -> None:
    """Take what was imported and made so far out of the search for garbage.

    To go through all of it takes nearly a tenth of a second each time, in which no request is answered, and whoever
    holds the database's write lock meanwhile keeps everybody waiting who would write.
    """
    gc.collect()
    gc.freeze()
