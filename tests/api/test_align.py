"""A text and its recording: accepted like a transcription, refused by the same rules."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.routes.align import ALIGN_BYTES, as_transcription
from tests.api.conftest import Desk

TEXT = "And so, my fellow Americans: ask not what your country can do for you."


async def asked(desk: Desk, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = await desk.client.post("/api/v1/align", json={"model": "tiny.en", **body})
    return answer.status_code, answer.json()


async def test_a_text_becomes_the_script_of_a_job(desk: Desk, speech: bytes) -> None:
    file_ids = await desk.upload(("call.flac", speech))
    status, body = await asked(desk, file_ids=file_ids, text=TEXT)
    assert status == 202, body
    (job,) = (await desk.store.jobs.list("default"))[0]
    assert (job.job_id, job.request.script) == (body["job_id"], TEXT)
    assert job.request.alignment.enabled


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "text"),
        ({"text": 3}, "text"),
        ({"text": ""}, "text"),
        ({"text": "?!"}, ""),
        ({"text": "a" * 500_001}, "text"),
        ({"text": TEXT, "script": TEXT}, "script"),
        ({"text": TEXT, "task": "translate"}, ""),
        ({"text": TEXT, "alignment": {"enabled": False}}, ""),
        ({"text": TEXT, "alignment": {"provider": "nobody"}}, "alignment.provider"),
        ({"text": TEXT, "urls": ["https://a.example/x.mp3", "https://a.example/y.mp3"]}, "text"),
    ],
)
async def test_what_cannot_be_aligned_is_refused(desk: Desk, body: dict[str, Any], field: str) -> None:
    status, problem = await asked(desk, **{"urls": ["https://a.example/x.mp3"], **body})
    assert status == 422, problem
    assert problem["errors"][0]["field"] == field, problem
    assert ("script" in json.dumps(problem)) == ("script" in body)
    assert (await desk.store.jobs.list("default"))[0] == []


@pytest.mark.parametrize("character", ["\u3042", "\u0436", "\U0001d11e"])
async def test_the_longest_text_of_any_script_may_be_sent_however_it_is_written(desk: Desk, character: str) -> None:
    body = json.dumps({"model": "tiny.en", "urls": ["https://a.example/x.mp3"], "text": character * 499_999 + "a"})
    answer = await desk.client.post("/api/v1/align", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 202, answer.text
    answer = await desk.client.post(
        "/api/v1/align", content=body.ljust(ALIGN_BYTES + 1), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413


def test_the_body_stays_as_it_was_given() -> None:
    body = {"text": TEXT, "alignment": {"provider": "whisper"}}
    as_transcription(body)
    assert body == {"text": TEXT, "alignment": {"provider": "whisper"}}


async def test_the_steps_beside_recognition_are_listed(desk: Desk) -> None:
    steps = (await desk.client.get("/api/v1/providers")).json()["steps"]
    assert [each["name"] for each in steps["alignment"]] == ["whisper", "pocketsphinx", "ctc"]
    assert {each["name"] for each in steps["diarization"]} == {"pyannote"}
    ctc = steps["alignment"][2]
    assert (ctc["available"], bool(ctc["mend"])) == (False, True)


async def test_a_step_that_nobody_can_do_is_refused_with_how_to_mend_it(desk: Desk, speech: bytes) -> None:
    file_ids = await desk.upload(("call.flac", speech))
    answer = await desk.client.post(
        "/api/v1/transcribe",
        json={"model": "tiny.en", "file_ids": file_ids, "alignment": {"enabled": True, "provider": "ctc"}},
    )
    assert answer.status_code == 422
    assert "WOA_CTC_MODEL" in answer.json()["detail"]
