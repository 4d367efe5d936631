"""Figures for Prometheus, as its own parser reads them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families

from api.health_schemas import Depth, QueueView
from api.metrics import Figures
from speech.clock import now
from storage.workers import WorkerBeat
from tests.api.conftest import Desk

DETAILS = {
    "version": "1.2.3",
    "models": ["faster_whisper/base"],
    "affinity": {"claims": 7, "hits": 5},
    "devices": [{"memory_bytes": 1000, "calls": 1, "waiting": 2, "slots": 1, "loads": 3, "hits": 4}, {}],
}
BEAT = WorkerBeat("id", 'w "1"\n', "host", "speech-cpu", "cpu (int8)", 8, 2, now(), DETAILS)
QUEUE = QueueView(
    ok=True,
    queued=3,
    processing=2,
    unfinished=5,
    pools={"speech-cpu": Depth(queued=3, processing=2, unfinished=5)},
    detail=None,
)

LABELS = ("worker", "host", "pool", "device", "status", "version", "device_name", "models")


def read(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            of = tuple(sample.labels[name] for name in LABELS if name in sample.labels)
            found.setdefault(sample.name, {})[of] = sample.value
    return found


def test_what_workers_and_devices_say() -> None:
    figures = read(Figures([BEAT], QUEUE).exposition().decode())
    worker = ('w "1"\n', "host", "speech-cpu")
    assert figures["woa_worker_slots"] == {worker: 8}
    assert figures["woa_worker_busy"] == {worker: 2}
    assert figures["woa_worker_info"] == {(*worker, "1.2.3", "cpu (int8)", "faster_whisper/base"): 1}
    assert figures["woa_worker_claims_total"] == {worker: 7}
    assert figures["woa_worker_warm_claims_total"] == {worker: 5}
    assert figures["woa_device_memory_bytes"] == {(*worker, "0"): 1000, (*worker, "1"): 0}
    assert figures["woa_device_model_calls"][*worker, "0"] == 1
    assert figures["woa_device_model_calls_waiting"][*worker, "0"] == 2
    assert figures["woa_device_model_loads_total"][*worker, "0"] == 3
    assert figures["woa_device_model_hits_total"][*worker, "0"] == 4
    assert figures["woa_jobs"] == {("speech-cpu", "queued"): 3, ("speech-cpu", "processing"): 2}


def test_a_worker_that_is_not_well_says_so() -> None:
    sick = replace(BEAT, details={**DETAILS, "trouble": {"code": "storage_full", "seconds": 8}})
    worker = ('w "1"\n', "host", "speech-cpu")
    assert read(Figures([BEAT], QUEUE).exposition().decode())["woa_worker_unwell"] == {worker: 0}
    assert read(Figures([sick], QUEUE).exposition().decode())["woa_worker_unwell"] == {worker: 1}


def test_a_worker_of_another_version_says_less() -> None:
    figures = read(Figures([WorkerBeat("id", "w", "h", "p", "cpu", 1, 0, now())], QUEUE).exposition().decode())
    assert figures["woa_worker_claims_total"] == {("w", "h", "p"): 0}


def test_a_worker_that_was_started_again_is_shown_once() -> None:
    before = replace(BEAT, worker_id="before", slots=1, started_at=BEAT.started_at - timedelta(minutes=1))
    figures = read(Figures([BEAT, before], QUEUE).exposition().decode())
    assert figures["woa_worker_slots"] == {('w "1"\n', "host", "speech-cpu"): 8}
    text = Figures([before, BEAT], QUEUE).exposition().decode()
    assert text.count("woa_worker_slots{") == 1


async def test_over_http(desk: Desk) -> None:
    answer = await desk.client.get("/api/v1/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert read(answer.text)["woa_jobs"]["speech-cpu", "queued"] == 0
