"""What the product promises of accepted jobs, looked at one by one when all is over."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from standardwebhooks.webhooks import Webhook

from benchmarks.load import Load
from benchmarks.sight import Sight
from orchestration.client import open_client
from tests.receiver import Receiver

WEBHOOK_SECONDS = 400
"""A delivery whose sender died is sent again after two minutes, or twice that."""
CLEAN_UP_SECONDS = 120
DAY = 86_400
_NOT_OURS = ("lock", ".ses")
"""A lock is taken, not left; and onnxruntime keeps the id of its session in the folder of temporary files."""
Spoken = tuple[str, tuple[tuple[float, float, str], ...]]


@dataclass
class Findings:
    """What was broken, in sentences, and figures."""

    broken: list[str] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)
    texts: dict[str, Spoken] = field(default_factory=dict)
    """Text and words of each clip."""

    def claim(self, holds: bool, otherwise: str) -> None:
        """It must hold."""
        if not holds:
            self.broken.append(otherwise)


async def look(sight: Sight, load: Load, receiver: Receiver, secret: str, expected: Mapping[str, Spoken]) -> Findings:
    """Look at all promises; ``expected`` are text and words of the clips, when they are known already."""
    found = Findings(texts=dict(expected))
    await _jobs(sight, load, found)
    await _results(sight, load, found)
    await _webhooks(sight, load, receiver, secret, found)
    await _logs(sight, load, found)
    await _clean_up(sight, found)
    await _prefect(sight, found)
    await _rows(sight, found)
    return found


async def _jobs(sight: Sight, load: Load, found: Findings) -> None:
    """Each submission is one job, and each has completed."""
    rows = await sight.ours("SELECT job_id, status, error_code, attempt, crashes, error FROM jobs")
    found.claim(len(rows) == load.count, f"{load.count} submissions made {len(rows)} jobs")
    found.claim(set(load.jobs) == {row[0] for row in rows}, "jobs are there that nobody was told of")
    for job_id, status, code, attempt, crashes, error in rows:
        words = f"job {job_id} is {status} ({code}: {error}), attempt {attempt}, {crashes} crashes"
        found.claim(status == "completed", words)
    found.figures["jobs completed"] = str(sum(row[1] == "completed" for row in rows))
    found.figures["jobs with more than one attempt"] = str(sum(row[3] > 1 for row in rows))
    found.figures["most attempts at one job"] = str(max((row[3] for row in rows), default=0))


async def _results(sight: Sight, load: Load, found: Findings) -> None:
    """Each job has one committed transcript, and its words are those of an undisturbed run."""
    rows = await sight.ours("SELECT job_id, count(*) FROM transcripts GROUP BY job_id")
    counts = {row[0]: row[1] for row in rows}
    for job_id, clip in load.jobs.items():
        found.claim(counts.get(job_id) == 1, f"job {job_id} has {counts.get(job_id, 0)} transcripts")
        if counts.get(job_id):
            spoken = _spoken(await load.result(job_id))
            before = found.texts.setdefault(clip, spoken)
            found.claim(spoken[0] == before[0], f"job {job_id}, {clip}: {spoken[0]!r} is not {before[0]!r}")
            found.claim(spoken == before, f"job {job_id}, {clip}: the words' times are others")
    found.figures["committed transcripts"] = str(sum(counts.values()))


def _spoken(result: Any) -> Spoken:
    words = [word for segment in result["segments"] for word in segment["words"]]
    return result["text"], tuple((word["start"], word["end"], word["text"]) for word in words)


async def _webhooks(sight: Sight, load: Load, receiver: Receiver, secret: str, found: Findings) -> None:
    """Each job was told at least once, under one id, signed, in the same words."""
    began, due = time.monotonic(), "SELECT count(*) FROM deliveries WHERE status = 'due'"
    while (await sight.ours(due))[0][0] and time.monotonic() - began < WEBHOOK_SECONDS:
        await asyncio.sleep(0.5)
    found.figures["seconds from the last job's end to the last webhook"] = f"{time.monotonic() - began:.0f}"
    told: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
    for headers, body in list(receiver.came):
        said = json.loads(body)
        found.claim(_is_signed(secret, headers, body), f"a webhook of job {said['data']['job_id']} is not signed")
        found.claim(said["type"] == "job.completed", f"a webhook said {said['type']} of job {said['data']['job_id']}")
        told[said["data"]["job_id"]].append((headers["webhook-id"], body))
    for job_id in load.jobs:
        found.claim(len(told[job_id]) > 0, f"nobody was told of job {job_id}")
        found.claim(len({one for one, _ in told[job_id]}) <= 1, f"job {job_id} was told under several ids")
        found.claim(len({body for _, body in told[job_id]}) <= 1, f"job {job_id} was told in different words")
    found.claim(set(told) == set(load.jobs), "webhooks came of jobs that nobody knows")
    found.figures["webhooks that came"] = str(len(receiver.came))
    found.figures["of them, again under the same id"] = str(sum(len(one) - 1 for one in told.values() if one))


def _is_signed(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the signature is right; how long ago it was made plays no part here."""
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    wanted = Webhook(secret).sign(headers["webhook-id"], at, body.decode("utf-8"))
    return wanted in headers["webhook-signature"].split()


async def _logs(sight: Sight, load: Load, found: Findings) -> None:
    """Each job's log has one end."""
    rows = await sight.ours("SELECT job_id, count(*) FROM job_events WHERE kind = 'completed' GROUP BY job_id")
    ends = {row[0]: row[1] for row in rows}
    for job_id in load.jobs:
        found.claim(ends.get(job_id) == 1, f"the log of job {job_id} has {ends.get(job_id, 0)} ends")


async def _clean_up(sight: Sight, found: Findings) -> None:
    """A day later, the clean-up leaves only what rows refer to."""
    blobs = sight.parts.settings.data_dir / "blobs"
    before = time.time() - 2 * DAY
    for path in _files(blobs):
        os.utime(path, (before, before))
    orphans = [path for path in _files(blobs) if not await _is_referred_to(sight, path.relative_to(blobs).as_posix())]
    async with open_client(sight.parts.settings) as client:
        deployment = await client.read_deployment_by_name("clean_up/clean_up")
        run = await client.create_flow_run_from_deployment(deployment.id)
        limit = time.monotonic() + CLEAN_UP_SECONDS
        state = run.state
        while time.monotonic() < limit and not (state is not None and state.is_final()):
            await asyncio.sleep(0.3)
            state = (await client.read_flow_run(run.id)).state
    found.claim(state is not None and state.is_completed(), f"the clean-up ended as {state}")
    for path in _files(blobs):
        key = path.relative_to(blobs).as_posix()
        found.claim(await _is_referred_to(sight, key), f"a blob is left over: {key}")
    found.figures["blobs that died with an attempt, and were cleaned up"] = str(len(orphans))


async def _is_referred_to(sight: Sight, key: str) -> bool:
    match key.split("/"):
        case ["owners", _, "files", file_id, _]:
            return bool(await sight.ours("SELECT 1 FROM files WHERE file_id = :id", id=file_id))
        case ["owners", _, "steps", name]:
            return bool(await sight.ours("SELECT 1 FROM steps WHERE step_key = :k", k=name.removesuffix(".json")))
        case ["owners", owner, "transcripts", transcript_id, token, *_]:
            named = f"owners/{owner}/transcripts/{transcript_id}/{token}/transcript.json"
            return bool(await sight.ours("SELECT 1 FROM transcripts WHERE blob_key = :k", k=named))
    return False


async def _prefect(sight: Sight, found: Findings) -> None:
    """No run of a job or webhook is left at work or waiting."""
    rows = await sight.prefect(
        "SELECT CAST(state_type AS VARCHAR), count(*) FROM flow_run JOIN flow ON flow.id = flow_run.flow_id "
        "WHERE flow.name IN ('transcribe', 'deliver') GROUP BY 1"
    )
    counts = {row[0]: row[1] for row in rows}
    found.claim(set(counts) <= {"COMPLETED"}, f"runs in Prefect: {counts}")
    found.figures["runs in Prefect by state"] = json.dumps(counts)


async def _rows(sight: Sight, found: Findings) -> None:
    """Nothing waits to be told, sent or deleted."""
    for table in ("outbox", "garbage"):
        ((count,),) = await sight.ours(f"SELECT count(*) FROM {table}")
        found.claim(count == 0, f"{count} rows are left in {table}")
    rows = await sight.ours("SELECT status, count(*) FROM deliveries GROUP BY status")
    found.claim({row[0] for row in rows} == {"delivered"}, f"deliveries: {dict(map(tuple, rows))}")


def left_on_disk(folder: Path, spool: Path) -> list[str]:
    """Files in work that a stopped installation has left."""
    left = [path for path in (*_files(spool), *_files(folder / "tmp")) if path.name not in _NOT_OURS]
    unfinished = [path for path in _files(folder / "data" / "blobs") if path.name.startswith(".")]
    return [f"a file is left over: {path.relative_to(folder)}" for path in (*left, *unfinished)]


def _files(folder: Path) -> Sequence[Path]:
    def walk() -> Iterator[Path]:
        for parent, _, names in os.walk(folder):
            yield from (Path(parent, name) for name in names)

    return list(walk())
