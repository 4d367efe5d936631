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
    """How many runs fit: ordinary ones, suspects, and beside the ordinary ones those that are ``light``."""

    ordinary: int
    suspects: int = 0
    beside: int = 0


@dataclass
class Choice:
    """Runs to claim now, each with whether it is to run alone."""

    ordinary: list[FlowRun] = field(default_factory=list)
    """Those beside the ordinary ones among them, so many ``beside``."""
    beside: int = 0
    suspects: list[FlowRun] = field(default_factory=list)
    left_to_others: int = 0
    """Runs that fit, but another worker has their model loaded: it may take them first."""


def choose(
    due: Sequence[FlowRun],
    jobs: Mapping[str, DueJob],
    room: Room,
    *,
    running: Mapping[str, int],
    served: Mapping[str, float] | None = None,
    leave: Callable[[FlowRun, DueJob], bool] = lambda run, job: False,
    admit: Callable[[DueJob], bool] = lambda job: True,
    light: Callable[[FlowRun, DueJob | None], bool] = lambda run, job: False,
    again: Callable[[FlowRun], bool] = lambda run: False,
) -> Choice:
    """Choose among the runs, which come in the order of their queues' priority and of their age.

    ``running`` says how many runs of each owner are at work here; within a queue, the owner with the fewest goes
    next, of equals the one whom ``served`` names the longest ago, or not at all. ``leave`` says whether another worker
    should have the first try at a run; until that is over the run keeps its room from less urgent queues. ``admit``
    says whether limits allow a job; it counts those that it admits. ``light`` are runs that long ones must not keep
    waiting, those of no job among them. Else runs of no job are taken as they come; those that run ``again`` as
    suspects: nobody counts what they were aboard of.
    """

    def suspect(run: FlowRun, job: DueJob | None) -> bool:
        return again(run) if job is None else job.suspect

    choice, at_work, last = Choice(), Counter(running), served or {}
    for _, queue in groupby(due, key=lambda run: run.work_queue_name):
        waiting, kept = list(queue), choice.left_to_others
        here, beside = max(0, room.ordinary - kept), room.beside - max(0, kept - room.ordinary)
        while fitting := _fitting(waiting, jobs, choice, here, beside, light, suspect):
            run = min(fitting, key=lambda run: (at_work[owner := _owner(run, jobs)], last.get(owner, 0.0)))
            waiting.remove(run)
            job = jobs.get(job_id_of(run) or "")
            if suspect(run, job):
                _place_alone(choice, run, job, room, admit)
            elif job is None or not leave(run, job):
                _place(choice, run, job, at_work, admit, beside=len(choice.ordinary) - choice.beside >= here)
            else:
                choice.left_to_others += 1
        for run in waiting:  # no ordinary room is left, but suspects have a place of their own
            job = jobs.get(job_id_of(run) or "")
            if suspect(run, job):
                _place_alone(choice, run, job, room, admit)
    return choice


def _fitting(
    waiting: Sequence[FlowRun],
    jobs: Mapping[str, DueJob],
    choice: Choice,
    ordinary: int,
    beside: int,
    light: Callable[[FlowRun, DueJob | None], bool],
    suspect: Callable[[FlowRun, DueJob | None], bool],
) -> Sequence[FlowRun]:
    """Those of the runs that there is room for, beside those that were chosen."""
    if len(choice.ordinary) - choice.beside < ordinary:
        return waiting
    if choice.beside >= beside:
        return ()
    known = [(run, jobs.get(job_id_of(run) or "")) for run in waiting]
    return [run for run, job in known if not suspect(run, job) and light(run, job)]


def _place(
    choice: Choice,
    run: FlowRun,
    job: DueJob | None,
    at_work: Counter[str],
    admit: Callable[[DueJob], bool],
    *,
    beside: bool,
) -> None:
    if job is None or admit(job):
        choice.ordinary.append(run)
        choice.beside += beside
        if job is not None:
            at_work[job.owner_id] += 1


def _place_alone(choice: Choice, run: FlowRun, job: DueJob | None, room: Room, admit: Callable[[DueJob], bool]) -> None:
    if len(choice.suspects) < room.suspects and (job is None or admit(job)):
        choice.suspects.append(run)


def _owner(run: FlowRun, jobs: Mapping[str, DueJob]) -> str:
    job = jobs.get(job_id_of(run) or "")
    return job.owner_id if job is not None else ""
