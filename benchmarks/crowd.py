"""Many who come at once, and a long queue.

First 20 clients submit 100 jobs at once, five each. Then long recordings take all places of the worker, a thousand
jobs are put into the queue behind them, and with those waiting: what control asks of Prefect is counted by a door in
front of it, jobs are submitted one after the other by one client, and one long job is cancelled, so that the jobs of
the queue have its place one after the other. Then express jobs come while all places are taken: who takes the next
one that becomes free? Others come at the very moment at which the one before them leaves its place, when its
successor may be claimed before any worker can know of them: by how much?
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks import moments
from benchmarks.door import Door, open_door
from benchmarks.figures import Figure, Figures, spread, table, timed
from benchmarks.moments import JobMoments
from benchmarks.prefect_server import running_prefect
from benchmarks.recordings import clips, long
from benchmarks.stack import Stack, running_stack
from benchmarks.workbench import DATABASES, PLACES, Workbench, databases

CLIENTS = 20
EACH = 5
QUEUED = 1000
IN_ONE_BATCH = 500
SUBMISSIONS = 200
EXPRESS = 10
WATCHED_SECONDS = 20.0
LONG_MINUTES = 15.0
"""Short enough not to be cut into parts."""
MODEL = "tiny.en"
READS = "POST /api/flow_runs/filter"
"""What control reads runs with, and nobody else."""


@dataclass(frozen=True, slots=True)
class Answer:
    """To one submission of many; ``job_id`` is None when it was refused, ``seconds`` is what it took."""

    job_id: str | None
    seconds: float


def full(bench: Workbench) -> str:
    """The tables of both databases."""
    figures: dict[str, Figures] = {}
    for database in DATABASES:
        with _counted_product(bench, database) as (stack, door), stack.client() as client:
            short, *held = _uploads(stack, client, bench.new_folder(), PLACES)
            figures[database] = _crowd(stack, client, short, CLIENTS, EACH)
            figures[database] |= _long_queue(stack, door, client, short, held)
    return table(figures)


def quick(bench: Workbench, stack: Stack) -> str:
    """Nobody of a small crowd is refused, and an express job goes before those that wait."""
    with stack.client() as client:
        (short,) = _uploads(stack, client, bench.new_folder(), 0)
        crowd = _crowd(stack, client, short, 5, 2)
        waiting = [stack.submit(client, file_ids=[short], model=MODEL, cache="refresh") for _ in range(8)]
        _wait_until_in_prefect(stack, waiting)
        overtaken = _overtakers(stack, _express(stack, client, short))
    for name, figure in crowd.items():
        assert figure.holds, (name, figure)
    assert not overtaken, f"claimed before the express job, so many seconds after it had come: {overtaken}"
    return table({"SQLite": crowd})


@contextmanager
def _counted_product(bench: Workbench, database: str) -> Iterator[tuple[Stack, Door]]:
    """A product whose every call of Prefect goes through a door."""
    folder = bench.new_folder()
    with (
        databases(database) as told,
        running_prefect(folder / "prefect", told.environment) as port,
        open_door(port, folder) as door,
        running_stack(
            folder / "product",
            bench.models,
            told.environment,
            prefect_api_url=f"http://127.0.0.1:{door.port}/api",
            # No place beside long jobs: the queue is to stand still, so that whoever reads runs is control.
            long_job_seconds="0",
            **told.settings,
        ) as stack,
    ):
        yield stack, door


def _uploads(stack: Stack, client: httpx.Client, folder: Path, places: int) -> list[str]:
    """A short clip, which a job of it has run with already, and a long recording for each place."""
    (clip,) = clips(folder, 3.0, 1)
    recordings = [long(folder / f"{index}.wav", LONG_MINUTES + index / 60) for index in range(places)]
    files = [stack.upload(client, path)[0] for path in (clip, *recordings)]
    assert stack.finished(client, stack.submit(client, file_ids=files[:1], model=MODEL))["status"] == "completed"
    return files


def _crowd(stack: Stack, client: httpx.Client, short: str, people: int, each: int) -> Figures:
    """So many clients submit so many jobs each, all at once; until all of them have run."""
    began = time.time()
    with ThreadPoolExecutor(people) as threads:
        answers = [
            answer for found in threads.map(lambda _: _person(stack, short, each), range(people)) for answer in found
        ]
    posted = time.time()
    jobs = [answer.job_id for answer in answers if answer.job_id is not None]
    for job_id in jobs:
        assert stack.finished(client, job_id, every=0.5)["status"] == "completed"
    rows, created = moments.of_jobs(stack, jobs), moments.runs_created(stack)
    in_prefect = [created[row.flow_run_id] - began for row in rows.values() if row.flow_run_id is not None]
    title = f"{people * each} jobs of {people} clients at once"
    return {
        f"{title}, refused": Figure(len(answers) - len(jobs), 0),
        f"{title}, lost": Figure(len(jobs) - len(in_prefect), 0),
        f"{title}, all accepted after s": Figure(posted - began),
        f"{title}, all in Prefect after s": Figure(max(in_prefect), 15),
        f"{title}, all ended after s": Figure(max(row.completed or 0.0 for row in rows.values()) - began),
        **spread(f"{title}, POST", (answer.seconds for answer in answers)),
    }


def _person(stack: Stack, short: str, jobs: int) -> list[Answer]:
    with stack.client() as client:
        return [_asked(client, short) for _ in range(jobs)]


def _asked(client: httpx.Client, short: str) -> Answer:
    body = {"file_ids": [short], "model": MODEL, "cache": "refresh"}
    milliseconds, answer = timed(lambda: client.post("/transcribe", json=body))
    return Answer(answer.json()["job_id"] if answer.status_code == 202 else None, milliseconds / 1000)


def _long_queue(stack: Stack, door: Door, client: httpx.Client, short: str, held: list[str]) -> Figures:
    """A thousand jobs wait behind long ones, which hold all places."""
    holders = [stack.submit(client, file_ids=[file_id], model=MODEL) for file_id in held]
    _wait_until_at_work(stack, holders)
    began = time.time()
    _wait_until_in_prefect(stack, _batches(client, short))
    figures = {f"{QUEUED} jobs of two batches, all in Prefect after s": Figure(time.time() - began)}
    figures |= _reads(door)
    took = [answer.seconds for answer in (_asked(client, short) for _ in range(SUBMISSIONS))]
    figures |= spread(f"{QUEUED} queued, POST", took, p95=50)
    client.delete(f"/jobs/{holders[0]}").raise_for_status()
    return figures | _urgent(stack, client, short)


def _urgent(stack: Stack, client: httpx.Client, short: str) -> Figures:
    """Express jobs, with all places taken and with one just free, while the queue goes on through one place."""
    express = []
    for _ in range(EXPRESS):
        _wait_until_all_places_taken(stack)
        express.append(_express(stack, client, short))
    late = [after for row in express for after in _overtakers(stack, row)]
    waits = [(row.begun or 0.0) - row.created for row in express]
    meanwhile = [after for _ in range(EXPRESS) for after in _overtakers(stack, _express(stack, client, short))]
    title = f"{QUEUED} queued, jobs claimed before {EXPRESS} express jobs that had come"
    return spread(f"{QUEUED} queued, express job to its first line", waits) | {
        f"{title} with all places taken": Figure(len(late), 0),
        f"{title} as a place became free": Figure(len(meanwhile), 0),
        f"{title} as a place became free, so many ms after them": Figure(1000 * max(meanwhile, default=0.0)),
    }


def _batches(client: httpx.Client, short: str) -> list[str]:
    jobs: list[str] = []
    body = {"defaults": {"model": MODEL, "cache": "refresh"}, "items": [{"file_ids": [short]}] * IN_ONE_BATCH}
    for _ in range(QUEUED // IN_ONE_BATCH):
        jobs += client.post("/batches", json=body).raise_for_status().json()["job_ids"]
    return jobs


def _reads(door: Door) -> Figures:
    """What is asked of Prefect each second, by everybody, with the queue full and nothing in motion but long jobs."""
    began = time.time()
    time.sleep(WATCHED_SECONDS)
    counted = door.counted(began, began + WATCHED_SECONDS)
    figures = {
        f"{QUEUED} queued, reads of runs by control, a second": Figure(counted.pop(READS, 0) / WATCHED_SECONDS, 1)
    }
    return figures | {
        f"{QUEUED} queued, `{call}`, a second": Figure(count / WATCHED_SECONDS) for call, count in counted.most_common()
    }


def _express(stack: Stack, client: httpx.Client, short: str) -> JobMoments:
    """An express job, from its submission to its end."""
    job_id = stack.submit(client, file_ids=[short], model=MODEL, cache="refresh", priority="express")
    assert stack.finished(client, job_id)["status"] == "completed"
    return moments.of_jobs(stack, [job_id])[job_id]


def _overtakers(stack: Stack, express: JobMoments) -> list[float]:
    """How long after Prefect had the express job's run other jobs were claimed that were claimed before it."""
    assert express.flow_run_id is not None
    assert express.begun is not None
    run = moments.of_run(stack, express.flow_run_id)
    near = [
        row.flow_run_id
        for row in moments.of_jobs(stack).values()
        if row.flow_run_id and row.priority != "express" and row.begun and run["created"] < row.begun <= express.begun
    ]
    claims = [moments.of_run(stack, run_id)["pending"] for run_id in near]
    return [claim - run["created"] for claim in claims if run["created"] < claim < run["pending"]]


def _wait_until_at_work(stack: Stack, jobs: list[str]) -> None:
    _wait(stack, jobs, lambda row: row.status == "processing", 120)


def _wait_until_all_places_taken(stack: Stack) -> None:
    limit = time.monotonic() + 120
    while sum(row.status == "processing" for row in moments.of_jobs(stack).values()) < PLACES:
        if time.monotonic() > limit:
            raise TimeoutError(f"Places stay free for more than 120 s; see {stack.log}")
        time.sleep(0.1)


def _wait_until_in_prefect(stack: Stack, jobs: list[str]) -> None:
    _wait(stack, jobs, lambda row: row.flow_run_id is not None, 600)


def _wait(stack: Stack, jobs: list[str], so: Callable[[JobMoments], bool], seconds: float) -> None:
    limit = time.monotonic() + seconds
    while not all(so(row) for row in moments.of_jobs(stack, jobs).values()):
        if time.monotonic() > limit:
            raise TimeoutError(f"It takes more than {seconds:g} s; see {stack.log}")
        time.sleep(0.25)
