"""How long the threads of a model call look for one another before they sleep."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

_NAME, _SPINS = "GOMP_SPINCOUNT", "500"


def spin_little(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let them sleep soon, unless the environment says otherwise; for libraries that are not loaded yet.

    By default a thread goes on for milliseconds, and takes the core from whoever keeps the others waiting: where a
    Prefect server shares the machine, that cost a fifth of the processor time of all short jobs.
    """
    environment.setdefault(_NAME, _SPINS)
