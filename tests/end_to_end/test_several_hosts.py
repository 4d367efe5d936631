"""Several machines: two APIs, two controls, two workers; a host, a control and Prefect are lost in mid-job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from speech.settings import Settings
from storage.store import Store
from tests.end_to_end.hosts import Hosts, Process, running_hosts
from tests.postgres_server import postgres_url
from tests.waiting import eventually

__all__ = ["postgres_url"]
pytestmark = [pytest.mark.models, pytest.mark.prefect, pytest.mark.postgres, pytest.mark.slow]

SPOKEN = "ask not what your country can do for you"
JOBS = 4
FILES = 1


def upload(api: httpx.Client, path: Path) -> list[str]:
    files = [("files", (path.name, path.read_bytes())) for _ in range(FILES)]
    ids: list[str] = api.post("/upload", files=files).raise_for_status().json()["file_ids"]
    return ids


def submit(api: httpx.Client, file_ids: list[str]) -> str:
    body = {"file_ids": file_ids, "model": "tiny.en", "cache": "refresh"}
    job_id: str = api.post("/transcribe", json=body).raise_for_status().json()["job_id"]
    return job_id


def job(api: httpx.Client, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/jobs/{job_id}").raise_for_status().json()
    return found


async def both_serve(api: httpx.Client) -> bool:
    try:
        return bool(api.get("/health").json()["checks"]["workers"]["online"] == 2)
    except (httpx.TransportError, KeyError):
        return False


async def in_office(*controls: Process) -> Process:
    """The control that holds the lease."""

    async def look() -> Process | None:
        return next((control for control in controls if "control begins" in control.log), None)

    found = await eventually(look)
    assert found is not None
    return found


async def at_work(store: Store, worker: Process) -> bool:
    """Whether that worker has runs, by its own last sign of life."""
    pids = {worker.started.pid}
    return any(beat.busy for beat in await store.workers.online() if beat.details.get("pid") in pids)


async def test_what_was_accepted_is_done_once_whatever_is_lost(
    tmp_path: Path, postgres_url: str, models_dir: Path, tiny_en: Path, jfk: Path
) -> None:
    with running_hosts(tmp_path, postgres_url, models_dir) as hosts:
        await play(hosts, jfk)


async def play(hosts: Hosts, jfk: Path) -> None:
    prefect = hosts.start_prefect()
    one, two = hosts.start_api("api-one"), hosts.start_api("api-two")
    controls = hosts.start("control-one", "control", "--deploy"), hosts.start("control-two", "control")
    lost, _ = hosts.start("worker-one", "worker"), hosts.start("worker-two", "worker")
    await eventually(lambda: both_serve(two), within=240, every=0.3)

    file_ids = upload(one, jfk)
    jobs = [submit(api, file_ids) for api in (one, two) * (JOBS // 2)]
    settings = Settings(_env_file=None, database_url=hosts.settings["WOA_DATABASE_URL"])  # type: ignore[call-arg]
    store = Store.open(settings)
    try:
        await eventually(lambda: at_work(store, lost))
    finally:
        await store.close()
    lost.lose()
    leading = await in_office(*controls)
    leading.lose()
    prefect.lose()
    jobs.append(submit(two, file_ids))
    hosts.start_prefect()

    async def all_ended() -> bool:
        return all(job(two, job_id)["status"] in ("completed", "failed", "cancelled") for job_id in jobs)

    await eventually(all_ended, within=300, every=0.3)
    for job_id in jobs:
        shown = job(one, job_id)
        assert (shown["status"], shown["files_failed"]) == ("completed", 0), shown
        assert shown == job(two, job_id)
        results = one.get(f"/results/{job_id}").json()
        assert results["results_count"] == FILES
        assert results == two.get(f"/results/{job_id}").json()
        for file_id in file_ids:
            text = two.get(f"/results/{job_id}/txt", params={"file_id": file_id}).text
            assert SPOKEN in text.lower().replace(",", "").replace("\n", " ")
    other = next(control for control in controls if control is not leading)
    assert "control begins" in other.log
