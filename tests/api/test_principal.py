"""Who may call: a key's owner; without keys this machine's people, and no web page that reaches for them."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.principal import is_loopback
from speech.settings import Settings
from tests.api.conftest import Desk, complete, opened

JOBS = "/api/v1/jobs"
OPEN = {"/api/v1/health/live", "/api/v1/health/ready"}


def from_peer(desk: Desk, peer: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=desk.app, client=(peer, 5000))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


async def test_once_a_key_exists_every_route_needs_one(desk: Desk) -> None:
    await desk.store.keys.create("default", "mine")
    schema = (await desk.client.get("/openapi.json")).json()
    checked = 0
    for path, operations in schema["paths"].items():
        for method in operations:
            answer = await desk.client.request(method, re.sub(r"\{\w+\}", "json", path))
            if path in OPEN:
                assert answer.status_code == 200
                continue
            assert answer.status_code == 401, (method, path)
            assert answer.json()["code"] == "unauthenticated"
            assert answer.headers["www-authenticate"] == "Bearer"
            checked += 1
    assert checked > 15


async def test_a_key_opens_the_door_and_a_revoked_one_does_not(desk: Desk) -> None:
    key, secret = await desk.store.keys.create("default", "mine")
    headers = {"Authorization": f"Bearer {secret}"}
    assert (await desk.client.get(JOBS, headers=headers)).status_code == 200
    assert (await desk.client.get(JOBS, headers={"Authorization": f"bearer {secret}"})).status_code == 200
    await desk.store.keys.revoke(key.key_id)
    assert (await desk.client.get(JOBS, headers=headers)).status_code == 401
    assert (await desk.client.get(JOBS)).status_code == 401


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer woa_nope", "Bearer \u00ff"])
async def test_a_wrong_key_is_refused_even_without_keys(desk: Desk, header: str) -> None:
    answer = await desk.client.get(JOBS, headers={"Authorization": header.encode("latin-1")})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert "woa keys create" in answer.text or "Bearer KEY" in answer.text


async def test_a_key_works_from_anywhere_under_any_host(desk: Desk) -> None:
    _, secret = await desk.store.keys.create("default", "mine")
    async with from_peer(desk, "203.0.113.9") as client:
        answer = await client.get(JOBS, headers={"Authorization": f"Bearer {secret}", "Host": "asr.example.com"})
    assert answer.status_code == 200


async def test_another_owners_ids_answer_404(desk: Desk, speech: bytes) -> None:
    (file_id,) = await desk.upload(("call.flac", speech))
    job_id = await desk.transcribe(file_ids=[file_id])
    job = await complete(desk.store, job_id)
    transcript_id = job.files[0].transcript_id
    _, secret = await desk.store.keys.create("default", "mine")
    await desk.store.database.close()
    await add_owner(desk, "stranger")
    _, other = await desk.store.keys.create("stranger", "theirs")
    mine, theirs = {"Authorization": f"Bearer {secret}"}, {"Authorization": f"Bearer {other}"}
    paths = [
        f"/jobs/{job_id}",
        f"/jobs/{job_id}/events",
        f"/results/{job_id}",
        f"/results/{job_id}/json",
        f"/results/{job_id}/archive",
        f"/transcripts/{transcript_id}",
        f"/transcripts/{transcript_id}/vtt",
        f"/files/{file_id}",
    ]
    for path in paths:
        assert (await desk.client.get(f"/api/v1{path}", headers=theirs)).status_code == 404, path
        assert (await desk.client.get(f"/api/v1{path}", headers=mine)).status_code == 200, path
    for path in (f"/jobs/{job_id}", f"/results/{job_id}", f"/transcripts/{transcript_id}", f"/files/{file_id}"):
        assert (await desk.client.delete(f"/api/v1{path}", headers=theirs)).status_code == 404, path
    assert (await desk.client.get(JOBS, headers=theirs)).json()["jobs"] == []
    refused = await desk.client.post(
        "/api/v1/transcribe", json={"file_ids": [file_id], "model": "tiny.en"}, headers=theirs
    )
    assert (refused.status_code, refused.json()["code"]) == (404, "file_not_found")
    assert len(desk.blobs()) == 2


async def add_owner(desk: Desk, owner_id: str) -> None:
    import sqlite3

    path = desk.store.database.path
    assert path is not None
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO owners VALUES (?, '2026-01-01 00:00:00.000000')", (owner_id,))


@pytest.mark.parametrize("peer", ["203.0.113.9", "10.0.0.2", "2001:db8::1", "testclient"])
async def test_without_keys_other_machines_are_refused(desk: Desk, peer: str) -> None:
    async with from_peer(desk, peer) as client:
        answer = await client.get(JOBS)
        assert (answer.status_code, answer.json()["code"]) == (403, "key_required")
        assert "woa keys create" in answer.json()["detail"]
        assert (await client.get("/api/v1/health/live")).status_code == 200


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
async def test_without_keys_this_machine_is_served(desk: Desk, peer: str) -> None:
    async with from_peer(desk, peer) as client:
        assert (await client.get(JOBS)).status_code == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
async def test_without_keys_a_proxy_passes_nobody_on(desk: Desk, header: str) -> None:
    answer = await desk.client.get(JOBS, headers={header: "203.0.113.9"})
    assert (answer.status_code, answer.json()["code"]) == (403, "key_required")


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8000", "", "[::1", "127.0.0.1.nip.io"])
async def test_a_rebound_name_is_refused(desk: Desk, host: str) -> None:
    answer = await desk.client.get(JOBS, headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (403, "host_refused")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "192.168.1.7:80", "woa.localhost"]
)
async def test_names_that_only_this_machine_can_mean_are_served(desk: Desk, host: str) -> None:
    assert (await desk.client.get(JOBS, headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:3000", "http://127.0.0.1", "http://["]
)
async def test_a_page_of_another_site_changes_nothing(desk: Desk, origin: str) -> None:
    answer = await desk.client.post("/api/v1/transcribe", json={}, headers={"Origin": origin})
    assert (answer.status_code, answer.json()["code"]) == (403, "origin_refused")


async def test_its_own_pages_may(desk: Desk) -> None:
    answer = await desk.client.post("/api/v1/transcribe", json={}, headers={"Origin": "http://localhost"})
    assert answer.status_code == 422


async def test_named_origins_may_and_their_hosts_are_known(changed: Callable[..., Settings]) -> None:
    async with opened(changed(cors_origins=["https://studio.example"])) as desk:
        headers = {"Origin": "https://studio.example", "Host": "studio.example"}
        assert (await desk.client.post("/api/v1/transcribe", json={}, headers=headers)).status_code == 422


async def test_an_anonymous_server_serves_all_but_pages_of_other_sites(changed: Callable[..., Settings]) -> None:
    async with opened(changed(allow_anonymous=True)) as desk, from_peer(desk, "203.0.113.9") as client:
        assert (await client.get(JOBS, headers={"Host": "asr.internal"})).status_code == 200
        answer = await client.post("/api/v1/transcribe", json={}, headers={"Origin": "https://evil.example"})
        assert answer.json()["code"] == "origin_refused"


@given(st.ip_addresses(v=4))
def test_loopback_is_what_the_address_says(address: object) -> None:
    assert is_loopback(str(address)) == address.is_loopback  # type: ignore[attr-defined]


@given(st.text())
def test_any_text_can_be_asked_about(text: str) -> None:
    assert is_loopback(text) in (True, False)
