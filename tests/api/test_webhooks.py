"""The log of deliveries and the signing secrets, over HTTP."""

from __future__ import annotations

from speech.jobs import JobStatus
from storage.projection import Projection
from tests.api.conftest import Desk
from tests.api.test_jobs import refused

HOOK = "https://hooks.example/jobs?key=planted-secret"


async def ended(desk: Desk, speech: bytes) -> str:
    job_id = await desk.transcribe(file_ids=await desk.upload(("call.flac", speech)), webhook_url=HOOK)
    await desk.store.jobs.project(job_id, 1, Projection(JobStatus.FAILED, error="It broke.", error_code="x"))
    return job_id


async def test_the_log_shows_what_is_to_come_and_no_secret(desk: Desk, speech: bytes) -> None:
    job_id = await ended(desk, speech)
    answer = await desk.client.get(f"/api/v1/jobs/{job_id}/deliveries")
    (delivery,) = answer.json()["deliveries"]
    assert (delivery["event"], delivery["status"], delivery["tries"]) == ("failed", "due", 0)
    assert delivery["url"] == "https://hooks.example/jobs"
    assert delivery["next_try_at"] is not None
    assert "planted-secret" not in answer.text
    path = f"/api/v1/jobs/{job_id}/deliveries/{delivery['id']}/redeliver"
    again = await desk.client.post(path)
    assert (again.status_code, again.json()["id"]) == (202, delivery["id"])
    assert (await desk.client.delete(f"/api/v1/results/{job_id}")).status_code == 204
    (left,) = (await desk.client.get(f"/api/v1/jobs/{job_id}/deliveries")).json()["deliveries"]
    assert (left["status"], left["url"]) == ("cancelled", None)
    gone = await desk.client.post(path)
    assert (gone.status_code, gone.json()["code"]) == (410, "result_expired")


async def test_what_there_is_not_is_404(desk: Desk, speech: bytes) -> None:
    job_id = await ended(desk, speech)
    answer = await desk.client.get("/api/v1/jobs/nobodys/deliveries")
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
    answer = await desk.client.post(f"/api/v1/jobs/{job_id}/deliveries/nobodys/redeliver")
    assert (answer.status_code, answer.json()["code"]) == (404, "delivery_not_found")
    answer = await desk.client.delete("/api/v1/webhooks/secrets/nobodys")
    assert (answer.status_code, answer.json()["code"]) == (404, "secret_not_found")


async def test_where_a_webhook_may_not_go_is_said_at_once(desk: Desk) -> None:
    for url in ("http://hooks.example/x", "https://127.0.0.1/x", "https://169.254.169.254/x", "s3://bucket/x"):
        assert await refused(desk, file_ids=["a"], webhook_url=url) == (422, "url_refused", ["webhook_url"])
    only_events = await refused(desk, file_ids=["a"], webhook_events=["cancelled"])
    assert only_events == (422, "invalid_request", ["webhook_url"])


async def test_a_secret_is_shown_once(desk: Desk) -> None:
    first = (await desk.client.post("/api/v1/webhooks/secrets")).json()
    assert first["secret"].startswith("whsec_")
    second = (await desk.client.post("/api/v1/webhooks/secrets")).json()
    listed = await desk.client.get("/api/v1/webhooks/secrets")
    assert first["secret"] not in listed.text
    old, new = listed.json()["secrets"]
    assert (old["secret_id"], new["secret_id"]) == (first["secret_id"], second["secret_id"])
    assert old["retires_at"] is not None
    assert new["retires_at"] is None
    assert (await desk.client.delete(f"/api/v1/webhooks/secrets/{old['secret_id']}")).status_code == 204
    (revoked, _) = (await desk.client.get("/api/v1/webhooks/secrets")).json()["secrets"]
    assert revoked["revoked_at"] is not None
