"""X-Request-ID: on every response, the client's own if it is sane."""

from __future__ import annotations

import pytest
import structlog
from structlog.testing import capture_logs

from tests.api.conftest import Desk

LIVE = "/api/v1/health/live"


@pytest.mark.parametrize("given", ["abc-123", "01J9.x:y+z=/@", "a" * 128])
async def test_a_sane_id_is_echoed(desk: Desk, given: str) -> None:
    answer = await desk.client.get(LIVE, headers={"X-Request-ID": given})
    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a" * 129, "two words", "-dash", "<script>", "ü".encode("latin-1")])
async def test_another_one_is_replaced(desk: Desk, given: str | bytes) -> None:
    answer = await desk.client.get(LIVE, headers={"X-Request-ID": given})
    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 32


async def test_two_requests_have_two_ids(desk: Desk) -> None:
    answers = [await desk.client.get(LIVE) for _ in range(2)]
    assert answers[0].headers["x-request-id"] != answers[1].headers["x-request-id"]


async def test_log_lines_carry_the_id_and_no_query(desk: Desk) -> None:
    # capture_logs replaces the processors, so the merging of context variables is put back in front.
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        await desk.client.get("/api/v1/jobs?cursor=secret", headers={"X-Request-ID": "one"})
    line = next(line for line in lines if line["event"] == "request")
    assert (line["request_id"], line["path"], line["status"], line["method"]) == ("one", "/api/v1/jobs", 422, "GET")
    assert "secret" not in repr(lines)


async def test_probes_are_logged_quietly(desk: Desk) -> None:
    with capture_logs() as lines:
        await desk.client.get(LIVE)
    assert [line["log_level"] for line in lines if line["event"] == "request"] == ["debug"]
