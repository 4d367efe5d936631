"""Webhooks to a real receiver that verifies, fails, hangs, redirects and breaks off."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect import get_client
from sqlalchemy import update
from standardwebhooks.webhooks import WebhookVerificationError

from flows.deliver import DELAYS, LONGEST_ASKED_FOR, attempt, delay_after, deliver
from orchestration.environment import prefect_settings
from orchestration.internals import run_to_its_end
from speech.clock import now
from speech.jobs import Job, JobStatus
from speech.settings import Settings
from storage.deliveries import Delivery
from storage.errors import DeliveryForgotten
from storage.projection import Projection
from storage.tables import deliveries
from tasks.current import use
from tests.flows.conftest import Bench
from tests.receiver import Receiver, receiving

pytestmark = pytest.mark.prefect
OWNER = "default"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Loopback by the operator's leave, and little patience."""
    there = {"webhook_schemes": ["http"], "webhook_allowed_hosts": ["127.0.0.1"], "webhook_timeout": 2}
    return settings.model_copy(update=there)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as there:
        yield there


def failed_job(bench: Bench, jfk: Path, url: str, **body: object) -> Job:
    job = bench.submitted(file_ids=bench.stored(jfk), webhook_url=url, **body)
    seen = Projection(JobStatus.FAILED, error="It broke.", error_code="invalid_audio", observed_at=now())
    bench.runtime.wait(bench.runtime.store.jobs.project(job.job_id, 1, seen))
    return job


def log_of(bench: Bench, job: Job) -> list[Delivery]:
    return bench.runtime.wait(bench.runtime.store.deliveries.list(OWNER, job.job_id))[0]


def sent(bench: Bench, job: Job) -> Delivery:
    """The job's newest delivery, after one run of the flow's function."""
    deliver.fn(log_of(bench, job)[0].delivery_id)
    return log_of(bench, job)[0]


def due_now(bench: Bench, **more: object) -> None:
    """The time until the next try has passed."""

    async def change() -> None:
        past = now() - timedelta(seconds=1)
        async with bench.runtime.store.database.writing() as connection:
            await connection.execute(update(deliveries).values(due_at=past, **more))

    bench.runtime.wait(change())


def secret_of(bench: Bench) -> str:
    return bench.runtime.wait(bench.runtime.store.webhook_secrets.signing(OWNER))[0]


def test_the_receiver_can_trust_what_comes(bench: Bench, jfk: Path, receiver: Receiver) -> None:
    job = failed_job(bench, jfk, receiver.url, metadata={"call": "ü"})
    delivery = sent(bench, job)
    assert (delivery.status, delivery.last_status, delivery.tries) == ("delivered", 204, 1)
    assert delivery.delivered_at is not None
    assert delivery.url == f"http://127.0.0.1:{receiver.port}/hook"
    said = receiver.verified(secret_of(bench))
    assert said["type"] == "job.failed"
    data = said["data"]
    assert (data["job_id"], data["status"], data["error_code"]) == (job.job_id, "failed", "invalid_audio")
    assert data["metadata"] == {"call": "ü"}
    assert data["files"][0]["file_id"] == job.files[0].file_id
    assert data["links"] == {"self": f"/api/v1/jobs/{job.job_id}", "results": f"/api/v1/results/{job.job_id}"}
    assert receiver.ids == [delivery.delivery_id]


@pytest.mark.parametrize(
    ("behave", "status"),
    [
        (lambda receiver: receiver.says(500), 500),
        (lambda receiver: receiver.says(302, Location="http://127.0.0.1:1/"), 302),
        (lambda receiver: receiver.drops(), None),
        (lambda receiver: receiver.hangs(), None),
    ],
    ids=["fails", "redirects", "drops", "hangs"],
)
def test_what_is_not_taken_is_sent_again_under_the_same_id(
    bench: Bench, jfk: Path, receiver: Receiver, behave: Callable[[Receiver], None], status: int | None
) -> None:
    behave(receiver)
    job = failed_job(bench, jfk, receiver.url)
    delivery = sent(bench, job)
    assert (delivery.status, delivery.tries, delivery.last_status) == ("due", 1, status)
    assert delivery.last_error is not None
    assert "planted-secret" not in delivery.last_error
    assert delivery.due_at is not None
    assert delivery.due_at > now()
    assert sent(bench, job).tries == 1  # it is not due yet
    receiver.says(200)
    due_now(bench)
    assert sent(bench, job).status == "delivered"
    assert len(receiver.ids) == 2
    assert len(set(receiver.ids)) == 1
    assert len({body for _, body in receiver.came}) == 1


def test_gone_ends_it_and_a_wish_for_patience_is_heard(bench: Bench, jfk: Path, receiver: Receiver) -> None:
    job = failed_job(bench, jfk, receiver.url)
    receiver.says(503, Retry_After="3600")
    later = sent(bench, job).due_at
    assert later is not None
    assert later > now() + timedelta(minutes=50)
    receiver.says(410)
    due_now(bench)
    ended = sent(bench, job)
    assert (ended.status, ended.last_status, ended.due_at) == ("failed", 410, None)
    bench.runtime.wait(bench.runtime.store.deliveries.redeliver(OWNER, job.job_id, ended.delivery_id))
    receiver.says(200)
    assert sent(bench, job).status == "delivered"
    assert len(set(receiver.ids)) == 1


def test_a_death_between_sending_and_saying_so_sends_it_again(bench: Bench, jfk: Path, receiver: Receiver) -> None:
    job = failed_job(bench, jfk, receiver.url)
    claimed = bench.runtime.wait(bench.runtime.store.deliveries.claim(log_of(bench, job)[0].delivery_id))
    assert claimed is not None
    attempt(bench.runtime, claimed)
    assert sent(bench, job).status == "due"  # whoever claimed it may still be at it
    due_now(bench, leased_until=now() - timedelta(seconds=1))
    assert sent(bench, job).status == "delivered"
    assert len(receiver.ids) == 2
    assert len(set(receiver.ids)) == 1
    bench.runtime.wait(bench.runtime.store.deliveries.failed(claimed, 500, "It comes too late.", 1.0))
    assert log_of(bench, job)[0].status == "delivered"


def test_two_runs_at_once_send_it_once(bench: Bench, jfk: Path, receiver: Receiver) -> None:
    job = failed_job(bench, jfk, receiver.url)
    delivery_id = log_of(bench, job)[0].delivery_id
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(deliver.fn, [delivery_id] * 4))
    assert receiver.ids == [delivery_id]


def test_old_and_new_secret_sign_for_a_while(bench: Bench, jfk: Path, receiver: Receiver) -> None:
    secrets = bench.runtime.store.webhook_secrets
    old = secret_of(bench)
    _, new = bench.runtime.wait(secrets.make(OWNER, 3600))
    sent(bench, failed_job(bench, jfk, receiver.url))
    assert receiver.verified(old)["type"] == receiver.verified(new)["type"]
    (first, _), _ = bench.runtime.wait(secrets.list(OWNER))
    bench.runtime.wait(secrets.revoke(OWNER, first.secret_id))
    due_now(bench, status="due")
    (delivery,) = bench.runtime.wait(bench.runtime.store.deliveries.due())
    deliver.fn(delivery.delivery_id)
    assert receiver.verified(new)
    with pytest.raises(WebhookVerificationError):
        receiver.verified(old)


def test_nothing_goes_where_the_operator_does_not_want_it(bench: Bench, jfk: Path, receiver: Receiver) -> None:
    strict = bench.runtime.settings.model_copy(update={"webhook_allowed_hosts": []})
    use(replace(bench.runtime, settings=strict))
    delivery = sent(bench, failed_job(bench, jfk, receiver.url))
    assert (delivery.status, delivery.last_status) == ("due", None)
    assert "webhook_allowed_hosts" in (delivery.last_error or "")
    assert receiver.came == []


def test_what_was_deleted_is_not_sent(bench: Bench, jfk: Path, receiver: Receiver) -> None:
    job = failed_job(bench, jfk, receiver.url)
    bench.runtime.wait(bench.runtime.store.transcripts.delete_of_job(OWNER, job.job_id))
    delivery = sent(bench, job)
    assert (delivery.status, delivery.url, delivery.due_at) == ("cancelled", None, None)
    assert receiver.came == []
    with pytest.raises(DeliveryForgotten):
        bench.runtime.wait(bench.runtime.store.deliveries.redeliver(OWNER, job.job_id, delivery.delivery_id))


def test_no_word_of_a_transcript_and_a_run_that_completes(bench: Bench, jfk: Path, receiver: Receiver) -> None:
    job = bench.submitted(file_ids=bench.stored(jfk), webhook_url=receiver.url)
    bench.run(job)
    done = Projection(JobStatus.COMPLETED, observed_at=now())
    bench.runtime.wait(bench.runtime.store.jobs.project(job.job_id, 1, done))
    (delivery,) = log_of(bench, job)

    def run() -> str:
        with prefect_settings(bench.runtime.settings), get_client(sync_client=True) as client:
            flow_run = client.create_flow_run(deliver, parameters={"delivery_id": delivery.delivery_id})
            state = run_to_its_end(deliver, flow_run)
            return state.message or "" if state is not None else ""

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run).result() == "Delivered."
    (file,) = json.loads(receiver.came[0][1])["data"]["files"]
    assert set(file) == {"file_id", "filename", "status", "error", "error_code", "transcript_id"}
    assert file["transcript_id"] is not None


def test_a_day_of_tries() -> None:
    assert 20 * 3600 < sum(DELAYS) < 26 * 3600
    assert delay_after(len(DELAYS), None) is None


@given(st.integers(0, len(DELAYS) - 1), st.one_of(st.none(), st.floats(0, 1e12)))
def test_delays_keep_their_bounds(tries: int, asked: float | None) -> None:
    delay = delay_after(tries, asked)
    assert delay is not None
    assert DELAYS[tries] * 0.8 <= delay <= max(DELAYS[tries] * 1.2, LONGEST_ASKED_FOR)
    assert delay >= min(asked or 0.0, LONGEST_ASKED_FOR)
