"""Sources that prefect.yaml names: made, changed, disabled, refused; and the example of the documentation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from pydantic import ValidationError

from deployments.apply import apply
from deployments.sources import Source, SourceRefused, keep
from deployments.specification import SpecificationRefused, find, read
from orchestration.client import open_client
from speech.clock import now
from speech.ingestion import IngestOptions
from speech.settings import IngestStore, Settings
from storage.ids import new_id
from storage.ingests import Ingest
from storage.store import Store
from storage.tables import DEFAULT_OWNER, owners
from storage.upserts import insert_or_ignore
from tests.prefect_server import RunningPrefect

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "ingestion.md"


@pytest.fixture
def there(settings: Settings, tmp_path: Path) -> Settings:
    """An installation that may read one folder."""
    (tmp_path / "in").mkdir()
    stores = {"disk": IngestStore(url=f"file://{tmp_path}/in", write=True)}
    return settings.model_copy(update={"ingest_stores": stores})


@pytest.fixture
async def store(there: Settings) -> AsyncIterator[Store]:
    opened = Store.open(there)
    await opened.migrate()
    async with opened.database.writing() as connection:
        await connection.execute(insert_or_ignore(connection, owners).values(owner_id="alice", created_at=now()))
    yield opened
    await opened.close()


def source(there: Settings, name: str, **asked: Any) -> Source:
    return Source.model_validate({"name": name, "url": f"{there.ingest_stores['disk'].url}/{name}", **asked})


async def known(store: Store) -> dict[str, Ingest]:
    return {ingest.ingest_id: ingest for ingest in await store.ingests.beginning_with("")}


async def test_several_are_made_changed_and_left_alone(there: Settings, store: Store) -> None:
    first = [source(there, "a", schedule="0 * * * *"), source(there, "b", owner="alice", pattern="*.wav")]
    assert await keep(there, store, first) == ["ingest file-a: created", "ingest file-b: created"]
    assert await keep(there, store, first) == []
    made = await known(store)
    assert {one: ingest.owner_id for one, ingest in made.items()} == {"file-a": DEFAULT_OWNER, "file-b": "alice"}
    assert made["file-a"].options.schedule == "0 * * * *"
    changed = [source(there, "a", schedule="5 * * * *"), first[1]]
    assert await keep(there, store, changed) == ["ingest file-a: updated"]
    elsewhere = (await known(store))["file-b"].options.model_copy(update={"enabled": False})
    await store.ingests.change("alice", "file-b", elsewhere)
    assert await keep(there, store, changed) == ["ingest file-b: updated"]
    assert (await known(store))["file-b"].options.enabled


async def test_what_leaves_the_file_is_disabled_and_others_are_not(there: Settings, store: Store) -> None:
    by_hand = IngestOptions(url=f"{there.ingest_stores['disk'].url}/c", schedule="0 * * * *")
    own = (await store.ingests.create(DEFAULT_OWNER, by_hand, ingest_id=new_id())).ingest_id
    await keep(there, store, [source(there, "a"), source(there, "a-b")])
    assert await keep(there, store, [source(there, "a-b")]) == [
        "ingest file-a: disabled, since the file has it no more"
    ]
    assert await keep(there, store, [source(there, "a-b")]) == []
    enabled = {one: ingest.options.enabled for one, ingest in (await known(store)).items()}
    assert enabled == {"file-a": False, "file-a-b": True, own: True}
    assert await keep(there, store, [source(there, "a"), source(there, "a-b")]) == ["ingest file-a: updated"]


async def test_a_source_that_is_refused_names_itself_and_changes_nothing(there: Settings, store: Store) -> None:
    good, outside = source(there, "good"), Source.model_validate({"name": "bad", "url": "file:///etc"})
    with pytest.raises(SourceRefused, match=r"The source 'bad' of prefect\.yaml is refused: "):
        await keep(there, store, [good, outside])
    assert await known(store) == {}
    await keep(there, store, [good])
    with pytest.raises(SourceRefused, match=r"belongs to 'default'; give that of 'alice' another name"):
        await keep(there, store, [source(there, "new"), good.model_copy(update={"owner": "alice"})])
    assert set(await known(store)) == {"file-good"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "A b", "url": "s3://calls"},
        {"name": "a", "url": "s3://calls", "unknown": 1},
        {"name": "a"},
        {"name": "a", "url": "s3://calls", "schedule": "now"},
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Source.model_validate(wrong)


def file_with(folder: Path, *sources: dict[str, Any]) -> Path:
    content = yaml.safe_load(find().read_text(encoding="utf-8"))
    content["definitions"]["ingests"] = list(sources)
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    same = {"name": "a", "url": "s3://calls"}
    with pytest.raises(SpecificationRefused, match=r"definitions\.ingests: .*two ingests have the same name"):
        read(file_with(tmp_path, same, same))


def test_the_example_of_the_documentation_is_one() -> None:
    marked = DOCUMENT.read_text(encoding="utf-8").split("<!-- example: sources -->\n```yaml\n")[1].split("```")[0]
    sources = [Source.model_validate(entry) for entry in yaml.safe_load(marked)["definitions"]["ingests"]]
    assert [(one.name, one.owner, one.request.language) for one in sources] == [
        ("calls", "default", "auto"),
        ("interviews", "alice", "de"),
    ]


@pytest.mark.prefect
async def test_the_file_that_the_settings_name_is_applied(
    there: Settings, store: Store, prefect_server: RunningPrefect, tmp_path: Path
) -> None:
    named = {"name": "calls", "url": f"{there.ingest_stores['disk'].url}/calls", "schedule": "0 * * * *"}
    changes = {
        "prefect_api_url": prefect_server.url,
        "work_pool": f"pool-{uuid4().hex[:8]}",
        "prefect_file": file_with(tmp_path, named),
    }
    own = there.model_copy(update=changes)
    assert "ingest file-calls: created" in (await apply(own)).changes
    assert (await apply(own)).changes == []
    async with open_client(own) as client:
        assert (await client.read_work_pool(own.work_pool)).type == "world-of-asr"
    assert [schedule.ingest_id for schedule in await store.ingests.schedules()] == ["file-calls"]
