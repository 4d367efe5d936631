"""Whether a worker is well: one whose disk is full or whose device is lost would otherwise empty the queue in no time.

One run that meets trouble says little, and its job waits anyway. When runs of two jobs in a row meet trouble of the
worker's own, it takes none for a while; then one, to see; and when that goes well, as many as it has places.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from prefect.client.schemas.objects import FlowRun, StateType

from orchestration.runs import job_id_of
from workers.messages import Ended

log = structlog.get_logger(__name__)

SUSPICIOUS = 2
"""Jobs in a row that meet trouble before a worker takes no more."""
FIRST_PAUSE = 10.0
LONGEST_PAUSE = 300.0
TAKE = "take_id"
"""The parameter of runs that listen to a voice."""
PROVEN_SECONDS = 60.0
"""A run that goes on for so long has met no trouble: that comes within seconds, tries on the spot included."""


@dataclass
class Condition:
    """How one worker is."""

    clock: Callable[[], float] = time.monotonic
    trouble: str | None = None
    """The code of what is wrong, until a run has shown that nothing is."""
    _met_by: set[str] = field(default_factory=set)
    _until: float = 0.0
    _pause: float = 0.0
    _trials: dict[UUID, float] = field(default_factory=dict)

    @property
    def resting(self) -> float:
        """For how many seconds more it takes no runs."""
        return max(0.0, self._until - self.clock()) if self.trouble is not None else 0.0

    def room(self, free: int) -> int:
        """How many of the free places are to be filled."""
        self._recover_by_time()
        if self.trouble is None:
            return free
        return 0 if self.resting else max(0, min(free, 1 - len(self._trials)))

    def took(self, run_id: UUID) -> None:
        """A run was claimed."""
        if self.trouble is not None:
            self._trials[run_id] = self.clock()

    def saw(self, run: FlowRun, ended: Ended) -> bool:
        """A run is over; whether the worker begins to rest because of it."""
        on_trial = self._trials.pop(run.id, None) is not None
        if ended.trouble is not None:
            return self._met(job_id_of(run) or str(run.id), ended.trouble, on_trial=on_trial)
        if ended.kind is StateType.COMPLETED and _is_work(run) and (on_trial or self.trouble is None):
            self._recover()
        return False

    def shown(self) -> dict[str, Any] | None:
        """For people and metrics: what is wrong, and for how long no runs are taken; None when all is well."""
        return {"code": self.trouble, "seconds": round(self.resting)} if self.trouble is not None else None

    def _met(self, job: str, trouble: str, *, on_trial: bool) -> bool:
        self._met_by.add(job)
        again = self.trouble is not None
        # Runs that were taken before the worker began to rest say nothing new.
        if not (on_trial if again else len(self._met_by) >= SUSPICIOUS):
            return False
        self._pause = min(LONGEST_PAUSE, self._pause * 2) if again else FIRST_PAUSE
        self._until, self.trouble = self.clock() + self._pause, trouble
        log.error("the worker is not well and takes no jobs for a while", trouble=trouble, seconds=self._pause)
        return True

    def _recover_by_time(self) -> None:
        if any(self.clock() - since >= PROVEN_SECONDS for since in self._trials.values()):
            self._recover()

    def _recover(self) -> None:
        if self.trouble is not None:
            log.info("the worker is well again", trouble=self.trouble)
        self.trouble = None
        self._met_by.clear()
        self._trials.clear()


def _is_work(run: FlowRun) -> bool:
    """Whether it does what fails where a worker is not well; chores and webhooks go well even then."""
    return job_id_of(run) is not None or TAKE in run.parameters
