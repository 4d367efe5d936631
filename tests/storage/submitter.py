"""Another process at the same database: submits jobs, or migrates, or takes attempts; for test_processes.py.

Arguments: what to do, the data folder, the database's URL or "-", and how often.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from speech.options import TranscribeRequest
from speech.settings import Settings
from storage.store import Store


async def submit(store: Store, count: int) -> list[str]:
    asked = TranscribeRequest(urls=["https://host/a.mp3"])
    jobs = [store.jobs.create("default", asked, max_unfinished=1000) for _ in range(count)]
    return [job.job_id for job in await asyncio.gather(*jobs)]


async def migrate(store: Store, count: int) -> list[str]:
    await store.migrate()
    return [await store.database.revision() or ""]


async def acquire(store: Store, count: int) -> list[str]:
    return [str(await store.leases.acquire("control", f"holder-{count}", 60))]


async def main() -> None:
    what, folder, url, count = sys.argv[1:]
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        data_dir=Path(folder),
        database_url=None if url == "-" else url,
    )
    store = Store.open(settings)
    print("ready", flush=True)
    sys.stdin.readline()  # all start together
    done = await {"submit": submit, "migrate": migrate, "acquire": acquire}[what](store, int(count))
    await store.close()
    print(json.dumps(done), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
