"""An outage is said once, in words that give nothing away."""

from __future__ import annotations

import httpx
from structlog.testing import capture_logs

from orchestration.outages import Outage
from speech.errors import StorageFull


def test_it_is_said_once_and_so_is_its_end() -> None:
    outage = Outage("Prefect")
    with capture_logs() as lines:
        for _ in range(3):
            outage.met(ValueError("she said hello"))
        outage.over()
        outage.over()
    assert [line["event"] for line in lines] == ["it does not answer; trying on", "it answers again"]
    assert lines[0]["reason"] == "ValueError"
    assert not outage.away


def test_errors_of_ours_are_quoted_and_answers_give_their_status() -> None:
    answer = httpx.Response(503, request=httpx.Request("GET", "http://prefect/api?secret=1"))
    with capture_logs() as lines:
        Outage("a").met(StorageFull("The disk is full."))
        Outage("b").met(httpx.HTTPStatusError("said", request=answer.request, response=answer))
    assert [line["reason"] for line in lines] == ["The disk is full.", "HTTP status 503"]
