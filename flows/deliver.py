"""One try at telling somebody that a job ended."""

from __future__ import annotations

import json
import random
from typing import Any

import structlog
from prefect import State, flow
from prefect.runtime import flow_run
from prefect.states import Completed

from pipeline.runtime import Runtime
from remote.guard import UrlRules
from remote.webhooks import Answered, headers_of, send
from speech.addresses import job_path, results_path
from speech.clock import now
from speech.errors import DownloadFailed, UrlRefused
from storage.deliveries import ClaimedDelivery
from tasks.current import current

log = structlog.get_logger(__name__)

DELAYS = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 28800.0)
"""Seconds between two tries: a day, all in all."""
JITTER = 0.2
LONGEST_ASKED_FOR = 28_800.0
"""The longest Retry-After that is kept to."""
GONE = 410


@flow(name="deliver", persist_result=False, validate_parameters=False, log_prints=False)
def deliver(delivery_id: str) -> State[Any]:
    """Send a webhook that is due, once; when it is not taken, the row says when it is due again.

    Whoever dies between the sending and the row has it sent again, under the same id.
    """
    runtime = current()
    claimed = runtime.wait(runtime.store.deliveries.claim(delivery_id, flow_run.id))
    if claimed is None:
        return Completed(message="It is not due, or somebody else is at it.")
    return Completed(message="Delivered." if settle(runtime, claimed, *attempt(runtime, claimed)) else "Not taken.")


def attempt(runtime: Runtime, claimed: ClaimedDelivery) -> tuple[Answered | None, str]:
    """Send it: what was answered, or None and the reason why nothing was."""
    body, moment = body_of(claimed), now()
    secrets = runtime.wait(runtime.store.webhook_secrets.signing(claimed.owner_id))
    headers = headers_of(claimed.delivery_id, moment, body, secrets)
    rules = UrlRules.for_webhooks(runtime.settings)
    try:
        answered = send(claimed.url, body, headers, rules, seconds=runtime.settings.webhook_timeout)
    except (UrlRefused, DownloadFailed) as error:
        return None, error.message
    except Exception as error:  # noqa: BLE001 - whatever it is, it counts as a try, or there would be no end of them
        log.error("unexpected error when sending a webhook", reason=type(error).__name__)
        return None, f"The server met an unexpected error ({type(error).__name__})."
    return answered, f"It answered {answered.status}."


def settle(runtime: Runtime, claimed: ClaimedDelivery, answered: Answered | None, reason: str) -> bool:
    """Write down how it went; whether it was delivered."""
    status = answered.status if answered is not None else None
    taken = status is not None and 200 <= status < 300
    deliveries = runtime.store.deliveries
    if taken and status is not None:
        runtime.wait(deliveries.delivered(claimed, status))
    else:
        delay = None if status == GONE else delay_after(claimed.tries, answered.retry_after if answered else None)
        runtime.wait(deliveries.failed(claimed, status, reason, delay))
    log.info("webhook sent", delivery_id=claimed.delivery_id, job_id=claimed.job_id, taken=taken, status=status)
    return taken


def body_of(claimed: ClaimedDelivery) -> bytes:
    """What is sent: the same bytes at every try."""
    links = {"self": job_path(claimed.job_id), "results": results_path(claimed.job_id)}
    message = {
        "type": f"job.{claimed.event}",
        "timestamp": claimed.created_at.isoformat().replace("+00:00", "Z"),
        "data": {**claimed.data, "links": links},
    }
    return json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")


def delay_after(tries: int, asked: float | None) -> float | None:
    """Seconds until the next try, after ``tries`` earlier ones and this one; None when a day of tries is over."""
    if tries >= len(DELAYS):
        return None
    spread = DELAYS[tries] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret depends on it
    return max(spread, min(asked or 0.0, LONGEST_ASKED_FOR))
