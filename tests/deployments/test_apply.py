"""prefect.yaml on a real server: applied once, twice, by two at once, and by Prefect's own command."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.actions import WorkPoolCreate

from deployments.apply import WrongPoolType, apply
from deployments.specification import FILE, SpecificationRefused, find, read
from orchestration.client import open_client
from orchestration.ownership import owner_of, template
from speech.options import Priority
from speech.settings import Settings
from tests.prefect_server import RunningPrefect
from workers.chores import QUEUES
from workers.warm import WarmWorker

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def there(prefect_server: RunningPrefect, settings: Settings) -> Settings:
    """Settings of a new installation on the session's server."""
    return settings.model_copy(update={"prefect_api_url": prefect_server.url, "work_pool": f"pool-{uuid4().hex[:8]}"})


async def _all(settings: Settings) -> dict[str, Any]:
    """All that was applied, as the server tells it, times included."""
    async with open_client(settings) as client:
        pool = await client.read_work_pool(settings.work_pool)
        queues = await client.read_work_queues(work_pool_name=settings.work_pool)
        deployment = await client.read_deployment_by_name("transcribe/transcribe")
    told = {f"queue {queue.name}": queue.model_dump(exclude={"last_polled", "status"}) for queue in queues}
    told["pool"] = pool.model_dump(exclude={"status"})
    told["deployment"] = deployment.model_dump(exclude={"last_polled", "status"})
    return told


@pytest.mark.prefect
async def test_applying_again_changes_nothing(there: Settings) -> None:
    first = await apply(there)
    before = await _all(there)
    second = await apply(there)
    assert first.changes
    assert second.changes == []
    assert await _all(there) == before


@pytest.mark.prefect
async def test_the_pool_has_a_queue_a_priority_in_order(there: Settings) -> None:
    await apply(there)
    async with open_client(there) as client:
        pool = await client.read_work_pool(there.work_pool)
        queues = await client.read_work_queues(work_pool_name=there.work_pool)
        deployment = await client.read_deployment_by_name("transcribe/transcribe")
    assert pool.type == WarmWorker.type
    assert pool.base_job_template == template(owner_of(pool))
    assert owner_of(pool)
    found = {queue.name: queue.priority for queue in queues if queue.name != "default"}
    assert found == {"express": 1, "normal": 2, "low": 3, "chores": 4, "deliveries": 5}
    assert set(found) == {str(priority) for priority in Priority} | set(QUEUES)
    assert deployment.entrypoint == "flows.transcribe.transcribe"
    assert deployment.work_pool_name == there.work_pool
    assert deployment.work_queue_name == "normal"
    assert not deployment.pull_steps


@pytest.mark.prefect
async def test_two_at_once_do_not_quarrel(there: Settings) -> None:
    await asyncio.gather(*(apply(there) for _ in range(3)))
    assert (await apply(there)).changes == []


@pytest.mark.prefect
async def test_what_was_changed_by_hand_is_mended(there: Settings) -> None:
    await apply(there)
    async with open_client(there) as client:
        low = await client.read_work_queue_by_name("low", work_pool_name=there.work_pool)
        await client.update_work_queue(low.id, priority=1)
    assert (await apply(there)).changes == ["queue low: priority 3"]
    assert (await apply(there)).changes == []


@pytest.mark.prefect
async def test_pools_that_jobs_are_routed_to_are_made_too(there: Settings) -> None:
    gpu = f"{there.work_pool}-gpu"
    routed = there.model_copy(update={"pool_routes": {"faster_whisper/large*": gpu}})
    await apply(routed)
    assert (await apply(routed)).changes == []
    async with open_client(routed) as client:
        mine, other = await client.read_work_pool(there.work_pool), await client.read_work_pool(gpu)
        queues = await client.read_work_queues(work_pool_name=gpu)
        deployment = await client.read_deployment_by_name(f"transcribe/transcribe-{gpu}")
    assert owner_of(mine) == owner_of(other)
    assert {queue.name: queue.priority for queue in queues}.items() >= {"express": 1, "normal": 2, "low": 3}.items()
    assert (deployment.entrypoint, deployment.work_pool_name) == ("flows.transcribe.transcribe", gpu)


@pytest.mark.prefect
async def test_limits_are_applied_and_those_that_the_file_leaves_out_stay(there: Settings) -> None:
    given = read()
    low = next(queue for queue in given.pool.queues if queue.name == "low")
    queues = tuple(queue for queue in given.pool.queues if queue.name != "low")
    limited = given.pool.model_copy(
        update={"concurrency_limit": 20, "queues": (*queues, low.model_copy(update={"concurrency_limit": 2}))}
    )
    await apply(there, given.model_copy(update={"pool": limited}))
    assert (await apply(there, given.model_copy(update={"pool": limited}))).changes == []
    assert (await apply(there)).changes == []
    async with open_client(there) as client:
        pool = await client.read_work_pool(there.work_pool)
        found = await client.read_work_queue_by_name("low", work_pool_name=there.work_pool)
    assert (pool.concurrency_limit, found.concurrency_limit) == (20, 2)


@pytest.mark.prefect
async def test_a_pool_of_another_type_is_refused(there: Settings) -> None:
    async with open_client(there) as client:
        await client.create_work_pool(WorkPoolCreate(name=there.work_pool, type="process"))
    with pytest.raises(WrongPoolType, match=r"is of type 'process', not 'world-of-asr'.*WOA_WORK_POOL"):
        await apply(there)


@pytest.mark.slow
@pytest.mark.prefect
async def test_prefects_own_command_takes_the_file(there: Settings, tmp_path: Path) -> None:
    standard = there.model_copy(update={"work_pool": "speech-cpu"})
    await apply(standard)
    (tmp_path / FILE).write_bytes(find().read_bytes())
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment = {
        **kept,
        "PREFECT_HOME": str(tmp_path / "home"),
        "PREFECT_API_URL": there.prefect,
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    ran = await asyncio.to_thread(
        subprocess.run, command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    async with open_client(standard) as client:
        deployment = await client.read_deployment_by_name("transcribe/transcribe")
    assert deployment.entrypoint == "flows.transcribe.transcribe"
    assert (deployment.work_pool_name, deployment.work_queue_name) == ("speech-cpu", "normal")
    assert not deployment.pull_steps


def test_the_file_goes_into_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"][FILE] == f"deployments/{FILE}"
    assert find() == ROOT / FILE


def test_what_we_do_not_know_is_refused(tmp_path: Path) -> None:
    odd = tmp_path / FILE
    odd.write_text(find().read_text().replace("    tags: []", "    tags: []\n    concurrency: 3"))
    with pytest.raises(SpecificationRefused, match=r"prefect\.yaml is refused at deployments\.0\.concurrency: "):
        read(odd)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"refused at definitions\.work_pool: "),
        (b"- 1", r"refused at definitions\.work_pool: "),
        (b"definitions: 3\ndeployments: []", r"refused at definitions\.work_pool: "),
        (b"a: [", "is not YAML"),
        (b"\xff\xfe\xff", "is not YAML"),
    ],
)
def test_a_file_that_is_none_is_refused_in_a_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(SpecificationRefused, match=said):
        read(tmp_path / FILE)
    with pytest.raises(SpecificationRefused, match=r"nowhere\.yaml cannot be read .*WOA_PREFECT_FILE"):
        read(tmp_path / "nowhere.yaml")
