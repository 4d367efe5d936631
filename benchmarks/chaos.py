"""Nothing accepted is lost and nothing is done twice, while processes are killed.

Real clips go through API, control, two workers and Prefect, each a process of its own. The same jobs are run twice on
new installations: once undisturbed, then while processes die by SIGKILL, some whenever a seed says, some held still and
killed in a moment that hurts (see kills.py). What was killed is started again after some seconds. Then every promise is
looked at: each submission is one job, completed, with one committed transcript, in text and word times that of the
undisturbed run; its webhook came at least once, always under the same id; nothing is left over.

A small form, which prints and keeps nothing: `python -m benchmarks.chaos --database SQLite --jobs 20 --kills 5`,
also with `--moment` and a part of a moment's or process's name.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from benchmarks import kills
from benchmarks.databases import BOTH, new_databases
from benchmarks.kills import Kill, draw
from benchmarks.load import Load
from benchmarks.promises import Findings, Spoken, left_on_disk, look
from benchmarks.roles import Parts, Role, running_parts
from benchmarks.sight import Sight
from benchmarks.strikes import Moments
from tests.receiver import Receiver, answer, receiving

ROOT = Path(__file__).parent.parent
CLIPS = ROOT / "tests" / "data" / "audio" / "en"
MODELS = ROOT / "var" / "models"
JOBS, KILLS, SEED = 200, 20, 20261125
MOMENT_SECONDS = 90
"""For which a moment is waited for; then the kill comes as it comes, and counts as one at random."""
STUCK_SECONDS = 300
"""Without any job's end; then the run is given up."""
CHECKED = (
    "API, control, two workers and Prefect are processes of their own; all kills are SIGKILL, and what was killed "
    "is started again within four seconds. A kill between two steps is done while its process is held still "
    "there, so that it hits. Looked at in the end: one job a submission, completed, with one committed "
    "transcript, whose text and word times are those of the undisturbed run; one end in its log; its webhook "
    "signed, come at least once, in the same bytes under one id; no run left in Prefect, nothing in outbox and "
    "garbage, no file of unfinished work, no process, and after the clean-up of a day later no blob without a "
    "row. The client submits job after job under idempotency keys. One whose API died before the answer is told "
    "for a quarter of a minute that the request is in flight, which is part of the wall time."
)
SETTINGS = {
    "worker_slots": "2",
    "cpu_threads": "1",
    "orphans_kept_seconds": "3600",
    "webhook_schemes": '["http"]',
    "webhook_allowed_hosts": '["127.0.0.1"]',
}


@dataclass(frozen=True, slots=True)
class Struck:
    """A kill that was done."""

    kill: Kill
    moment: str
    process: str
    at: float
    ended: int
    """Seconds after the first submission, and how many jobs had ended."""

    def __str__(self) -> str:
        return f"{self.at:6.1f} s, {self.ended:3d} jobs ended: {self.process} {self.moment}"


@dataclass
class Run:
    """One run of all jobs."""

    title: str
    seconds: float = 0.0
    struck: list[Struck] = field(default_factory=list)
    found: Findings = field(default_factory=Findings)


@dataclass
class Play:
    """The jobs of one run, with the plan of kills beside them."""

    sight: Sight
    load: Load
    receiver: Receiver
    plan: Sequence[Kill]
    struck: list[Struck] = field(default_factory=list)
    ended: int = 0
    _began: float = field(default_factory=time.monotonic)
    _restarts: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> float:
        """Submit, kill, and wait until all jobs have ended; seconds from the first submission to the last end.

        Raises:
            TimeoutError: when nothing ends any more.

        """
        self._began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.load.submit_all())
            killing = group.create_task(self._kill_all())
            await self._watch()
            killing.cancel()
        seconds = time.monotonic() - self._began
        await asyncio.gather(*self._restarts)
        return seconds

    @property
    def all_killed(self) -> bool:
        """Whether the plan is through."""
        return len(self.struck) == len(self.plan)

    async def _watch(self) -> None:
        changed = time.monotonic()
        while self.ended < self.load.count:
            before, self.ended = self.ended, await self.sight.ended()
            changed = time.monotonic() if self.ended != before else changed
            if time.monotonic() - changed > STUCK_SECONDS:
                raise TimeoutError(f"{self.ended} of {self.load.count} jobs have ended, and no more do")
            await asyncio.sleep(0.1)

    async def _kill_all(self) -> None:
        moments = Moments(self.sight, lambda: len(self.load.jobs), self._tap)
        for kill in self.plan:
            while self.ended < kill.after:
                await asyncio.sleep(0.02)
            moment = kill.moment
            try:
                async with asyncio.timeout(MOMENT_SECONDS):
                    role = await moments.strike(kill)
            except TimeoutError:
                moment = kills.AT_RANDOM
                role = await moments.at_random(kill)
            process = role.name if kill.role != "device" else f"the device process of {role.name}"
            self.struck.append(Struck(kill, moment, process, time.monotonic() - self._began, self.ended))
            print(self.struck[-1], flush=True)
            task = asyncio.create_task(self._restart(role, kill.absence))
            self._restarts.add(task)

    async def _restart(self, role: Role, absence: float) -> None:
        await asyncio.sleep(absence)
        role.start()

    def _tap(self, heard: Callable[[int], None] | None) -> None:
        def reply(handler: BaseHTTPRequestHandler) -> None:
            if heard is not None:
                heard(handler.client_address[1])
            answer(handler, 204)

        self.receiver.reply = reply


async def play(parts: Parts, jobs: int, plan: Sequence[Kill], expected: dict[str, Spoken], run: Run) -> None:
    """Run the jobs on a running installation, and look at what became of them."""
    sight = Sight(parts)
    try:
        with receiving() as receiver:
            async with parts.client() as client:
                secret = (await client.post("/webhooks/secrets")).raise_for_status().json()["secret"]
                clips = sorted(CLIPS.glob("*.flac"))
                load = Load(client, clips, jobs, receiver.url, lambda: playing.ended, lambda: playing.all_killed)
                playing = Play(sight, load, receiver, plan)
                run.struck = playing.struck
                run.seconds = await playing.run()
                run.found = await look(sight, playing.load, receiver, secret, expected)
                run.found.claim(playing.all_killed, f"only {len(run.struck)} of {len(plan)} kills were done")
                told = dict(playing.load.told)
                run.found.figures["answers that the client did not get"] = str(told or "none")
    finally:
        await sight.close()


def perform(title: str, jobs: int, plan: Sequence[Kill], expected: dict[str, Spoken], folder: Path) -> Run:
    """One run on a new installation, which is gone after it; what was broken is in the findings."""
    run = Run("undisturbed" if not plan else "with kills")
    began = time.monotonic()
    with new_databases(title) as databases, running_parts(folder, MODELS, databases, SETTINGS) as parts:
        print(f"{title}, {run.title}: ready after {time.monotonic() - began:.0f} s", flush=True)
        try:
            asyncio.run(play(parts, jobs, plan, expected, run))
        except* TimeoutError as errors:  # the group of tasks that one of them ended
            run.found.broken += [str(error) for error in errors.exceptions]
    run.found.broken += [*parts.faults, *parts.left_over(), *left_on_disk(folder, parts.settings.spool)]
    print(f"{title}, {run.title}: {run.seconds:.0f} s, broken: {run.found.broken[:20] or 'nothing'}", flush=True)
    return run


def page(title: str, calm: Run, wild: Run) -> str:
    """What both runs on one database showed."""
    kinds: Counter[tuple[str, str]] = Counter((one.kill.role, one.moment) for one in wild.struck)
    rows = [f"| {role} | {moment} | {count} |" for (role, moment), count in sorted(kinds.items())]
    names = [*wild.found.figures]
    figures = [f"| {name} | {calm.found.figures.get(name, '')} | {wild.found.figures[name]} |" for name in names]
    walls = f"| wall seconds, first submission to last end | {calm.seconds:.0f} | {wild.seconds:.0f} |"
    broken = [f"- {one}" for run in (calm, wild) for one in run.found.broken] or ["Broken promises: none."]
    parts = [
        f"## {title}",
        "\n".join(["| process killed | when | kills |", "| --- | --- | --- |", *rows]),
        "\n".join(["| | undisturbed | with kills |", "| --- | --- | --- |", walls, *figures]),
        "\n".join(broken),
        "The kills, in order:\n\n" + "\n".join(f"- {one}" for one in wild.struck),
    ]
    return "\n\n".join(parts)


def measure(titles: Sequence[str], jobs: int, plan: Sequence[Kill], keep: Path | None = None) -> tuple[str, bool]:
    """Both runs on each database: the pages, and whether every promise was kept."""
    pages, kept = [], True
    for title in titles:
        folder = Path(tempfile.mkdtemp(prefix="woa-chaos-", dir=keep))
        calm = perform(title, jobs, (), {}, folder / "calm")
        wild = perform(title, jobs, plan, calm.found.texts, folder / "wild")
        pages.append(page(title, calm, wild))
        print(pages[-1], flush=True)
        well = not (calm.found.broken or wild.found.broken)
        kept = kept and well
        if well and keep is None:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"What was left is in {folder}", flush=True)
    return "\n\n".join(pages), kept


def run(quick: bool) -> tuple[str, bool]:
    """The benchmark in its full size, or some jobs and kills on SQLite; figures, and whether all promises were kept."""
    titles, jobs, count = (BOTH[:1], 20, 5) if quick else (BOTH, JOBS, KILLS)
    figures, kept = measure(titles, jobs, draw(SEED, count, jobs))
    return f"{jobs} jobs, {count} kills, seed {SEED}. {CHECKED}\n\n{figures}", kept


def main() -> int:
    """A run by hand, in any size."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--database", nargs="*", choices=BOTH, default=BOTH)
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--moment", help="only moments whose name contains this")
    parser.add_argument("--keep", type=Path, help="a folder for all that the installations leave")
    asked = parser.parse_args()
    plan = draw(asked.seed, asked.kills, asked.jobs, only=asked.moment)
    for kill in plan:
        print(kill)
    with suppress(KeyboardInterrupt):
        _, kept = measure(asked.database, asked.jobs, plan, asked.keep)
        return 0 if kept else 1
    return 130


if __name__ == "__main__":
    sys.exit(main())
