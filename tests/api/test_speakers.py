"""Speakers over HTTP: checked to the end, owned, deleted for good; and jobs that would name nobody are refused."""

from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from api.identification import check_identification
from engine.engine import Engine
from providers.fake_steps import FakeDiarizer, FakeVoiceModel
from providers.registry import Extra, Registry
from speech.errors import UnsupportedOption
from speech.options import TranscribeRequest
from speech.settings import Settings
from storage.blobs import BlobsUnusable
from storage.idempotency import Fresh, Gone
from tests.api.conftest import Desk, opened
from weights.store import WeightStore

SPEAKERS = "/api/v1/speakers"
MODEL = "fake_diarizer/1/sha256:" + "c" * 64


@pytest.fixture
async def booth(settings: Settings) -> AsyncIterator[Desk]:
    """An API whose server can listen to voices, as a test does."""
    extra = Extra(diarizers={"fake_diarizer": FakeDiarizer}, voices={"fake_diarizer": FakeVoiceModel})
    registry = Registry(settings, WeightStore.from_settings(settings), Engine.from_settings(settings), steps=extra)
    async with opened(settings.model_copy(update={"max_speakers": 2}), registry=registry) as desk:
        yield desk


def tone(seconds: float) -> bytes:
    """A recording of that length."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(int(seconds * 16_000)))
    return made.getvalue()


async def enrol(desk: Desk, speech: bytes, name: str = "Ada", **headers: str) -> dict[str, Any]:
    file_ids = await desk.upload(("a.flac", speech))
    answer = await desk.client.post(SPEAKERS, json={"name": name, "file_ids": file_ids}, headers=headers)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"{SPEAKERS}/{answer.json()['speaker_id']}"
    return dict(answer.json())


async def listen(desk: Desk, made: dict[str, Any], model: str = MODEL) -> None:
    for take in made["takes"]:
        claimed = await desk.store.takes.claim(take["take_id"], "run-1")
        assert claimed is not None
        await desk.store.takes.ready(claimed, 11.0, (0.6, 0.8), model)


async def test_one_is_enrolled_shown_renamed_and_deleted(booth: Desk, speech: bytes) -> None:
    made = await enrol(booth, speech, "  Ada Lovelace ")
    where = f"{SPEAKERS}/{made['speaker_id']}"
    assert (made["name"], made["status"], made["takes"][0]["status"]) == ("Ada Lovelace", "enrolling", "enrolling")
    await listen(booth, made)
    known = (await booth.client.get(where)).json()
    assert (known["status"], known["takes"][0]["duration"]) == ("ready", 11.0)
    assert "0.6" not in str(known)
    renamed = await booth.client.patch(where, json={"name": "Ada King"})
    assert (renamed.status_code, renamed.json()["name"]) == (200, "Ada King")
    assert [one["name"] for one in (await booth.client.get(SPEAKERS)).json()["speakers"]] == ["Ada King"]
    (second,) = await booth.upload(("b.flac", speech))
    added = await booth.client.post(f"{where}/takes", json={"file_ids": [second]})
    assert (added.status_code, [take["status"] for take in added.json()["takes"]]) == (202, ["ready", "enrolling"])
    assert (await booth.client.delete(f"{where}/takes/{made['takes'][0]['take_id']}")).status_code == 204
    last = await booth.client.delete(f"{where}/takes/{added.json()['takes'][1]['take_id']}")
    assert (last.status_code, last.json()["code"]) == (409, "last_take")
    assert (await booth.client.delete(where)).status_code == 204
    for answer in (await booth.client.get(where), await booth.client.delete(where)):
        assert (answer.status_code, answer.json()["code"]) == (404, "speaker_not_found")


async def test_deleted_is_deleted_though_the_bucket_is_away(
    booth: Desk, speech: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away() -> None:
        raise BlobsUnusable("The bucket does not answer.")

    where = f"{SPEAKERS}/{(await enrol(booth, speech))['speaker_id']}"
    monkeypatch.setattr(booth.store, "collect", away)
    with capture_logs() as logs:
        assert (await booth.client.delete(where)).status_code == 204
    assert [(line["event"], line["takes"]) for line in logs if "speaker" in line["event"]] == [("speaker deleted", 1)]


async def test_names_and_numbers_have_limits(booth: Desk, speech: bytes) -> None:
    (file_id,) = await booth.upload(("a.flac", speech))
    await enrol(booth, speech, "Ada")
    for name, code in (("ADA ", "speaker_exists"), ("Bob", None), ("Eve", "too_many_speakers")):
        answer = await booth.client.post(SPEAKERS, json={"name": name, "file_ids": [file_id]})
        assert (answer.status_code, answer.json().get("code")) == (409 if code else 202, code)


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "name", "missing"),
        ([], "body", "model_type"),
        ({"name": "  ", "file_ids": ["x"]}, "name", "string_too_short"),
        ({"name": "a\nb", "file_ids": ["x"]}, "name", "string_pattern_mismatch"),
        ({"name": "a\u2028b", "file_ids": ["x"]}, "name", "string_pattern_mismatch"),
        ({"name": "SPEAKER_01", "file_ids": ["x"]}, "name", "value_error"),
        ({"name": "a\u202eb", "file_ids": ["x"]}, "name", "value_error"),
        ({"name": "a" * 201, "file_ids": ["x"]}, "name", "string_too_long"),
        ({"name": "Ada", "file_ids": []}, "file_ids", "too_short"),
        ({"name": "Ada", "file_ids": ["x", "x"]}, "file_ids", "value_error"),
        ({"name": "Ada", "file_ids": ["../x"]}, "file_ids[0]", "string_pattern_mismatch"),
        ({"name": "Ada", "file_ids": ["x"], "vector": [1]}, "vector", "extra_forbidden"),
    ],
)
async def test_hostile_bodies_are_refused_by_name(booth: Desk, body: Any, field: str, code: str) -> None:
    answer = await booth.client.post(SPEAKERS, json=body)
    assert answer.status_code == 422, answer.text
    first = answer.json()["errors"][0]
    assert (first["field"] or "body", first["code"]) == (field, code)


async def test_recordings_are_checked_as_far_as_they_are_known(booth: Desk, speech: bytes) -> None:
    short, long = await booth.upload(("short.wav", tone(1)), ("long.wav", tone(61)))
    for file_id in (short, long):
        answer = await booth.client.post(SPEAKERS, json={"name": "Ada", "file_ids": [file_id]})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "file_ids[0]")
        assert "2 to 60 s" in answer.json()["detail"]
    missing = await booth.client.post(SPEAKERS, json={"name": "Ada", "file_ids": ["nothing"]})
    assert (missing.status_code, missing.json()["errors"][0]["field"]) == (404, "file_ids[0]")
    made = await enrol(booth, speech)
    busy = await booth.client.delete(f"/api/v1/files/{made['takes'][0]['file_id']}")
    assert (busy.status_code, busy.json()["code"]) == (409, "file_in_use")


async def test_another_owners_speakers_do_not_exist(booth: Desk, speech: bytes) -> None:
    made = await enrol(booth, speech)
    _, key = await booth.store.keys.create("alice", "hers")
    hers = {"Authorization": f"Bearer {key}"}
    where = f"{SPEAKERS}/{made['speaker_id']}"
    for method, path, body in [
        ("GET", where, None),
        ("PATCH", where, {"name": "Mine"}),
        ("POST", f"{where}/takes", {"file_ids": [made["takes"][0]["file_id"]]}),
        ("DELETE", f"{where}/takes/{made['takes'][0]['take_id']}", None),
        ("DELETE", where, None),
    ]:
        answer = await booth.client.request(method, path, headers=hers, json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "speaker_not_found"), method
    assert (await booth.client.get(SPEAKERS, headers=hers)).json()["speakers"] == []
    body = {"name": "Eve", "file_ids": [made["takes"][0]["file_id"]]}
    stolen = await booth.client.post(SPEAKERS, json=body, headers=hers)
    assert (stolen.status_code, stolen.json()["code"]) == (404, "file_not_found")


async def test_the_same_request_again_is_one_speaker_whatever_became_of_them(booth: Desk, speech: bytes) -> None:
    (file_id,) = await booth.upload(("a.flac", speech))
    body, key = {"name": "Ada", "file_ids": [file_id]}, {"Idempotency-Key": "once"}
    first, again = [await booth.client.post(SPEAKERS, json=body, headers=key) for _ in range(2)]
    assert first.json() == again.json()
    await listen(booth, first.json())
    where = f"{SPEAKERS}/{first.json()['speaker_id']}"
    assert (await booth.client.delete(f"/api/v1/files/{file_id}")).status_code == 204
    assert (await booth.client.patch(where, json={"name": "Ada King"})).status_code == 200
    for _ in range(2):
        renamed = await booth.client.post(SPEAKERS, json=body, headers=key)
        told = renamed.json()
        assert (renamed.status_code, told["speaker_id"]) == (202, first.json()["speaker_id"])
        assert (told["name"], told["status"]) == ("Ada King", "ready")
    assert (await booth.client.delete(where)).status_code == 204
    for _ in range(2):
        gone = await booth.client.post(SPEAKERS, json=body, headers=key)
        assert (gone.status_code, gone.json()["code"]) == (404, "resource_deleted")
    assert (await booth.client.get(SPEAKERS)).json()["speakers"] == []


@pytest.mark.parametrize("gone", [True, False])
async def test_an_answer_on_its_way_is_not_remembered_of_whom_somebody_renames_or_deletes(
    booth: Desk, speech: bytes, gone: bool
) -> None:
    idempotency = booth.store.idempotency
    fresh = await idempotency.begin("default", "speakers", "once", "hash")
    assert isinstance(fresh, Fresh)
    file_ids = await booth.upload(("a.flac", speech))
    await booth.store.speakers.create("default", "Planted", file_ids, speaker_id=fresh.resource_id)
    if gone:
        await booth.store.speakers.delete("default", fresh.resource_id)
    else:
        await booth.store.speakers.rename("default", fresh.resource_id, "Ada")
    await idempotency.keep("default", "speakers", "once")
    await idempotency.finish("default", "speakers", "once", 202, b"Planted")
    again = await idempotency.begin("default", "speakers", "once", "hash")
    assert again == (Gone() if gone else fresh)


async def test_where_nobody_can_listen_it_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object) -> None:
        raise UnsupportedOption("identification: nobody here can do it.")

    monkeypatch.setattr(desk.parts.registry, "voice_model", nobody)
    answer = await desk.client.post(SPEAKERS, json={"name": "Ada", "file_ids": ["x"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "unsupported_option")


async def test_a_job_that_could_name_nobody_is_refused_with_how_to_mend_it(booth: Desk, speech: bytes) -> None:
    async def refusal() -> str | None:
        request = TranscribeRequest.model_validate({"diarization": {"enabled": True, "identify": True}})
        try:
            await check_identification(request, "default", booth.parts)
        except UnsupportedOption as error:
            return f"{error.field}: {error.message}"
        return None

    assert (await refusal() or "").startswith("diarization.identify: ")
    assert "POST /speakers" in (await refusal() or "")
    made = await enrol(booth, speech)
    assert "is ready" in (await refusal() or "")
    await listen(booth, made)
    assert await refusal() is None
    await booth.store.takes.use("another/1/sha256:0")
    assert "stale" in (await refusal() or "")
