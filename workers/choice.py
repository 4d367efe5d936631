"""Which of the due runs a worker takes: the most urgent first, owners in turn, and where their models are.

A pure function of what is known at the moment; whoever chose wrongly only waits a little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from prefect.client.schemas.objects import FlowRun

from orchestration.runs import job_id_of
from storage.due import DueJob


@dataclass(frozen=True, slots=True)
class Room:
    """How many runs fit: ordinary ones, and suspects."""

    ordinary: int
    suspects: int = 0


@dataclass
class Choice:
    """Runs to claim now, each with whether it is to run alone."""

    ordinary: list[FlowRun] = field(default_factory=list)
    suspects: list[FlowRun] = field(default_factory=list)
    left_to_others: int = 0
    """Runs that fit, but another worker has their model loaded: it may take them first."""


def choose(
    due: Sequence[FlowRun],
    jobs: Mapping[str, DueJob],
    room: Room,
    *,
    running: Mapping[str, int],
    leave: Callable[[FlowRun, DueJob], bool] = lambda run, job: False,
) -> Choice:
    """Choose among the runs, which come in the order of their queues' priority and of their age.

    ``running`` says how many runs of each owner are at work here; within a queue, the owner with the fewest goes
    next. ``leave`` says whether another worker should have the first try at a run. Runs of no job are taken as they
    come.
    """
    choice, at_work = Choice(), Counter(running)
    for _, queue in groupby(due, key=lambda run: run.work_queue_name):
        waiting = list(queue)
        while waiting and len(choice.ordinary) < room.ordinary:
            run = min(waiting, key=lambda run: at_work[_owner(run, jobs)])
            waiting.remove(run)
            _place(choice, run, jobs.get(job_id_of(run) or ""), room, at_work, leave)
        for run in waiting:  # no ordinary room is left, but suspects have a place of their own
            job = jobs.get(job_id_of(run) or "")
            if job is not None and job.suspect and len(choice.suspects) < room.suspects:
                choice.suspects.append(run)
    return choice


def _place(
    choice: Choice,
    run: FlowRun,
    job: DueJob | None,
    room: Room,
    at_work: Counter[str],
    leave: Callable[[FlowRun, DueJob], bool],
) -> None:
    if job is not None and job.suspect:
        if len(choice.suspects) < room.suspects:
            choice.suspects.append(run)
        return
    if job is not None and leave(run, job):
        choice.left_to_others += 1
        return
    choice.ordinary.append(run)
    if job is not None:
        at_work[job.owner_id] += 1


def _owner(run: FlowRun, jobs: Mapping[str, DueJob]) -> str:
    job = jobs.get(job_id_of(run) or "")
    return job.owner_id if job is not None else ""
