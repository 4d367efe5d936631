"""Ten thousand objects of a bucket become ten thousand jobs, in bounded memory, while two ingests overlap.

Two sources look at the same prefix of an S3 server (moto). Both are asked for a run at once, and once more while they
are at work; two workers share the runs, and some objects come meanwhile. Then each object must have one row and one
job. Peak memory of every process is the kernel's, for a tenth of the objects first: what grows with them is seen.
Measured up to the creation of the jobs, which go to a work pool that nobody serves: control submits them to Prefect
meanwhile, and nobody transcribes them.

A small form, which prints and keeps nothing: `python -m benchmarks.ingest_many --database SQLite --objects 500`, with
`--kill` to lose a worker in the middle.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx

from benchmarks.databases import BOTH, new_databases
from benchmarks.roles import Parts, running_parts
from benchmarks.sight import Sight
from benchmarks.stack import free_port

ROOT = Path(__file__).parent.parent
CLIPS = ROOT / "tests" / "data" / "audio"
MODELS = ROOT / "var" / "models"
OBJECTS = 10_000
LATE = 0.02
"""Share of the objects that come while the runs are at work."""
BUCKET = "calls"
SAMPLES = 4_000
RUN_SECONDS = 1800
ALLOWED_MB = 64
"""By how much more a process may grow for ten times the objects."""
MB = 1_000_000
CHECKED = (
    "Two sources at one prefix of an S3 server (moto), two runs of each, the first two at once; two workers; a "
    "fiftieth of the objects comes while the runs are at work. Looked at in the end: each object has one row and one "
    "job with one file, and the runs say the same. Measured until the jobs are there; control submits them to Prefect "
    "meanwhile, to a pool that nobody serves, and nobody transcribes them. Memory is resident, the peak the kernel's."
)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of an S3 server of our own."""

    options: dict[str, str]

    @property
    def settings(self) -> dict[str, str]:
        """What an operator says: where may be ingested from, and who runs the jobs; here, nobody."""
        store = {"url": f"s3://{BUCKET}", "options": self.options}
        return {
            "ingest_stores": json.dumps({BUCKET: store}),
            "pool_routes": json.dumps({"faster_whisper*": "speech-idle"}),
            "max_queued_jobs": str(OBJECTS * 10),
        }

    def put(self, prefix: str, numbers: Sequence[int], contents: Sequence[bytes]) -> None:
        """Write objects of these numbers."""
        import boto3  # type: ignore[import-untyped]

        client = boto3.client(
            "s3",
            endpoint_url=self.options["endpoint_url"],
            aws_access_key_id=self.options["key"],
            aws_secret_access_key=self.options["secret"],
            region_name="us-east-1",
        )
        with suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=BUCKET)

        def put(number: int) -> None:
            client.put_object(Bucket=BUCKET, Key=f"{prefix}/{number:06d}.wav", Body=contents[number % len(contents)])

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(put, numbers))


@dataclass
class Round:
    """What one prefix showed. ``peaks``: name of the process → MB before and at its peak."""

    objects: int
    seconds: float = 0.0
    peaks: dict[str, tuple[float, float]] = field(default_factory=dict)
    counts: list[dict[str, Any]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


@contextmanager
def bucket() -> Iterator[Bucket]:
    """An S3 server in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            with suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
                break
            time.sleep(0.1)
        yield Bucket({"endpoint_url": f"http://127.0.0.1:{port}", "key": "test", "secret": "test"})
    finally:
        process.terminate()
        process.wait(30)


def contents() -> list[bytes]:
    """A quarter of a second of each clip."""
    from faster_whisper.audio import decode_audio

    made = []
    for path in sorted(CLIPS.rglob("*.flac")):
        target = BytesIO()
        with wave.open(target, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes((decode_audio(str(path))[:SAMPLES] * 32767).astype("<i2").tobytes())
        made.append(target.getvalue())
    return made


@dataclass
class Ingestion:
    """Two sources at one prefix."""

    parts: Parts
    sight: Sight
    client: httpx.AsyncClient
    bucket: Bucket
    contents: Sequence[bytes]
    kill: bool

    async def take(self, prefix: str, objects: int) -> Round:
        """Have all objects of a new prefix ingested."""
        seen = Round(objects)
        late = max(1, int(objects * LATE))
        await asyncio.to_thread(self.bucket.put, prefix, range(objects - late), self.contents)
        body = {"url": f"s3://{BUCKET}/{prefix}", "pattern": "*.wav", "request": {"model": "tiny.en"}}
        sources = [(await self._post("/ingests", body))["ingest_id"] for _ in range(2)]
        before = {name: self._memory(name, peak=False) for name in self.parts.roles}
        began = time.monotonic()
        for source in sources:
            await self._post(f"/ingests/{source}/run")
        await self._met(prefix, (objects - late) // 10)
        await asyncio.to_thread(self.bucket.put, prefix, range(objects - late, objects), self.contents)
        for source in sources:  # a run of each is at work, and one more is asked for
            await self._post(f"/ingests/{source}/run")
        if self.kill:
            await self._met(prefix, objects // 2)
            self.parts.roles["worker-1"].kill()
            self.parts.roles["worker-1"].start()
        runs = [await self._runs(source, at_least=2) for source in sources]
        seen.seconds = time.monotonic() - began
        seen.peaks = {name: (before[name], self._memory(name, peak=True)) for name in self.parts.roles}
        seen.counts = [run for of_one in runs for run in of_one]
        await self._check(prefix, seen)
        return seen

    async def _met(self, prefix: str, count: int) -> None:
        while len(await self._rows(prefix)) < count:
            await asyncio.sleep(0.05)

    async def _rows(self, prefix: str) -> Sequence[Any]:
        return await self.sight.ours(
            "SELECT url, job_id, status FROM ingest_objects WHERE url LIKE :place", place=f"s3://{BUCKET}/{prefix}/%"
        )

    async def _runs(self, source: str, at_least: int) -> list[dict[str, Any]]:
        """The runs of a source once so many were made and all have ended."""
        limit = time.monotonic() + RUN_SECONDS
        while time.monotonic() < limit:
            runs = (await self.client.get(f"/ingests/{source}/runs")).raise_for_status().json()["runs"]
            if sum(run["status"] == "completed" for run in runs) >= at_least and not any(
                run["status"] == "running" and not self.kill for run in runs
            ):
                return list(runs)
            await asyncio.sleep(0.2)
        raise TimeoutError(f"the runs of {source} do not end")

    async def _check(self, prefix: str, seen: Round) -> None:
        rows = await self._rows(prefix)
        wanted = {f"s3://{BUCKET}/{prefix}/{number:06d}.wav" for number in range(seen.objects)}
        urls, jobs = [row[0] for row in rows], {row[1] for row in rows}
        claims = {
            f"{len(wanted - set(urls))} objects have no row": wanted == set(urls),
            f"{len(rows)} rows for {seen.objects} objects": len(rows) == seen.objects,
            f"{len(jobs)} jobs for {seen.objects} objects": len(jobs) == seen.objects and None not in jobs,
        }
        files = await self.sight.ours(
            "SELECT count(*), count(DISTINCT job_files.job_id) FROM job_files "
            "JOIN ingest_objects ON ingest_objects.job_id = job_files.job_id WHERE ingest_objects.url LIKE :place",
            place=f"s3://{BUCKET}/{prefix}/%",
        )
        claims[f"files and jobs: {tuple(files[0])}"] = tuple(files[0]) == (seen.objects, seen.objects)
        submitted = sum(run["counts"]["submitted"] for run in seen.counts)
        # A run that is killed has taken objects that it could not count any more.
        claims[f"the runs say that they submitted {submitted}"] = self.kill or submitted == seen.objects
        seen.broken += [sentence for sentence, holds in claims.items() if not holds]

    async def _post(self, path: str, body: Any = None) -> Any:
        return (await self.client.post(path, json=body)).raise_for_status().json()

    def _memory(self, name: str, *, peak: bool) -> float:
        """MB that the process of a role has, or had at its peak since this was asked last."""
        pid = self.parts.roles[name].pid
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        found = next(line for line in lines if line.startswith("VmHWM:" if peak else "VmRSS:"))
        Path(f"/proc/{pid}/clear_refs").write_text("5")
        return int(found.split()[1]) * 1024 / MB


async def play(parts: Parts, source: Bucket, objects: int, kill: bool) -> list[Round]:
    """A tenth of the objects, then all of them."""
    sight = Sight(parts)
    try:
        async with parts.client() as client:
            ingestion = Ingestion(parts, sight, client, source, await asyncio.to_thread(contents), kill)
            rounds = [await ingestion.take("few", objects // 10), await ingestion.take("many", objects)]
            ((total,),) = await sight.ours("SELECT count(*) FROM jobs")
            made = sum(one.objects for one in rounds)
            if total != made:
                rounds[-1].broken.append(f"{total} jobs for {made} objects")
            return rounds
    finally:
        await sight.close()


def perform(title: str, objects: int, kill: bool, folder: Path) -> list[Round]:
    """Both rounds on a new installation."""
    with bucket() as source, new_databases(title) as databases:
        with running_parts(folder, MODELS, databases, source.settings) as parts:
            rounds = asyncio.run(play(parts, source, objects, kill))
        rounds[-1].broken += [*parts.faults, *parts.left_over()]
        few, many = rounds
        for name, (before, peak) in many.peaks.items():
            more = (peak - before) - (few.peaks[name][1] - few.peaks[name][0])
            if name != "prefect" and more > ALLOWED_MB and not kill:
                many.broken.append(f"{name} grows by {more:.0f} MB more for {many.objects} objects")
    return rounds


def page(title: str, rounds: Sequence[Round]) -> str:
    """What one database showed."""
    few, many = rounds
    head = f"| | {few.objects} objects | {many.objects} objects |\n| --- | --- | --- |"
    rows = [f"| seconds until all runs had ended | {few.seconds:.1f} | {many.seconds:.1f} |"]
    rows += [f"| objects a second | {few.objects / few.seconds:.0f} | {many.objects / many.seconds:.0f} |"]
    for name in many.peaks:
        cells = [f"{one.peaks[name][0]:.0f} → {one.peaks[name][1]:.0f}" for one in rounds]
        rows.append(f"| memory of {name}, MB, before → peak | {cells[0]} | {cells[1]} |")
    cells = [" + ".join(str(run["counts"]["submitted"]) for run in one.counts) for one in rounds]
    rows.append(f"| given a job, run by run | {cells[0]} | {cells[1]} |")
    broken = [f"- {sentence}" for one in rounds for sentence in one.broken] or ["Broken promises: none."]
    return f"## {title}\n\n" + "\n".join([head, *rows]) + "\n\n" + "\n".join(broken)


def measure(titles: Sequence[str], objects: int, kill: bool = False) -> tuple[str, bool]:
    """The pages, and whether every promise was kept."""
    pages, kept = [], True
    for title in titles:
        folder = Path(tempfile.mkdtemp(prefix="woa-ingest-"))
        rounds = perform(title, objects, kill, folder / "parts")
        pages.append(page(title, rounds))
        print(pages[-1], flush=True)
        well = not any(one.broken for one in rounds)
        kept = kept and well
        if well:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"What was left is in {folder}", flush=True)
    return "\n\n".join(pages), kept


def run(quick: bool) -> tuple[str, bool]:
    """The benchmark in its full size, or a few hundred objects on SQLite."""
    figures, kept = measure(BOTH[:1], 500) if quick else measure(BOTH, OBJECTS)
    return f"{CHECKED}\n\n{figures}", kept


def main() -> int:
    """A run by hand, in any size."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest_many", description=__doc__)
    parser.add_argument("--database", nargs="*", choices=BOTH, default=BOTH)
    parser.add_argument("--objects", type=int, default=500)
    parser.add_argument("--kill", action="store_true", help="lose a worker in the middle")
    asked = parser.parse_args()
    _, kept = measure(asked.database, asked.objects, asked.kill)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
