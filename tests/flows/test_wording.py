"""Jobs that ask for exact times and for marks: each is a step of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from speech.jobs import Job
from tests.flows.conftest import Bench, tries

pytestmark = pytest.mark.prefect

ALIGNED = {"enabled": True, "provider": "fake_aligner"}
PUNCTUATED = {"enabled": True, "provider": "fake_punctuator"}


def result(bench: Bench, job: Job) -> dict[str, Any]:
    (row,) = bench.runtime.wait(bench.runtime.store.transcripts.of_job("default", job.job_id))
    document: dict[str, Any] = json.loads(bench.runtime.store.blobs.read(row.blob_key))
    return document


def test_words_are_timed_anew_and_written_anew(bench: Bench, jfk: Path) -> None:
    files = bench.stored(jfk)
    plain = bench.submitted(file_ids=files, language="en")
    bench.run(plain)
    before = result(bench, plain)["segments"][0]
    job = bench.submitted(file_ids=files, language="en", alignment=ALIGNED, punctuation=PUNCTUATED)
    state = bench.run(job)
    assert state is not None
    assert state.is_completed(), state.message
    after = result(bench, job)["segments"][0]
    assert after["words"][0]["confidence"] == 0.5
    assert after["text"] == before["text"][:1].upper() + before["text"][1:].rstrip(".") + "."
    assert result(bench, job)["stages"].keys() >= {"transcribe", "align", "punctuate"}
    assert tries() == 1  # what was recognised for the first job is not recognised again


def test_what_somebody_says_he_said_gets_the_times(bench: Bench, jfk: Path) -> None:
    files = bench.stored(jfk)
    plain = bench.submitted(file_ids=files, language="en")
    bench.run(plain)
    said = result(bench, plain)["text"]
    job = bench.submitted(file_ids=files, language="en", alignment=ALIGNED, script=f"{said.upper()}!")
    state = bench.run(job)
    assert state is not None
    assert state.is_completed(), state.message
    assert result(bench, job)["text"] == f"{said.upper()}!"


def test_a_text_that_nobody_spoke_fails_the_file(bench: Bench, jfk: Path) -> None:
    text = "Fourscore and seven years ago our fathers brought forth on this continent a new nation"
    job = bench.submitted(file_ids=bench.stored(jfk), language="en", alignment=ALIGNED, script=text)
    state = bench.run(job)
    assert state is not None
    assert (state.is_failed(), state.message) == (True, "text_mismatch")
    assert "Fourscore" not in (bench.job(job).error or "")


def test_words_of_a_text_that_were_not_found_are_told_of(bench: Bench, jfk: Path) -> None:
    files = bench.stored(jfk)
    plain = bench.submitted(file_ids=files, language="en")
    bench.run(plain)
    heard = result(bench, plain)["text"]
    job = bench.submitted(file_ids=files, language="en", alignment=ALIGNED, script=f"{heard} never spoken")
    bench.run(job)
    assert "2 of 3 words" in result(bench, job)["warnings"][-1]
