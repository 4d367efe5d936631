"""Figures for Prometheus: what the workers say of themselves, and how much there is to do.

Text exposition format: https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from api.health_schemas import QueueView
from storage.workers import WorkerBeat

_WORKER = ("worker", "host", "pool")
_DEVICE = (*_WORKER, "device")
_OF_DEVICES = (
    ("memory_bytes", "memory_bytes", "Resident memory of a device process."),
    ("calls", "model_calls", "Calls of models that run now."),
    ("waiting", "model_calls_waiting", "Calls of models that wait for their turn."),
    ("slots", "model_slots", "Calls of models that may run at once."),
    ("longest_call_seconds", "longest_model_call_seconds", "Age of the oldest call of a model."),
)
_COUNTED = (
    ("loads", "model_loads", "Models loaded since the device process started."),
    ("hits", "model_hits", "Uses of a model that found it loaded."),
)


class Figures(Collector):
    """The figures of one moment."""

    def __init__(self, workers: Sequence[WorkerBeat], queue: QueueView) -> None:
        # One that was started again under its name is heard of twice for a while; Prometheus takes each once.
        newest = sorted(workers, key=lambda worker: worker.started_at)
        self._workers = {(worker.name, worker.host, worker.pool): worker for worker in newest}.values()
        self._queue = queue

    def collect(self) -> Iterator[Metric]:
        """Each figure with its help."""
        yield from self._of_workers()
        yield from self._of_devices()
        yield from self._of_jobs()

    def exposition(self) -> bytes:
        """As Prometheus reads it."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def _of_workers(self) -> Iterator[Metric]:
        info = InfoMetricFamily("woa_worker", "What a worker is.", labels=_WORKER)
        slots = GaugeMetricFamily("woa_worker_slots", "Jobs that a worker runs at once.", labels=_WORKER)
        busy = GaugeMetricFamily("woa_worker_busy", "Jobs that a worker runs now.", labels=_WORKER)
        unwell = GaugeMetricFamily("woa_worker_unwell", "1: its disk, storage or device fails.", labels=_WORKER)
        claims = CounterMetricFamily("woa_worker_claims", "Runs that a worker took.", labels=_WORKER)
        hits = CounterMetricFamily("woa_worker_warm_claims", "Of these, whose model was loaded.", labels=_WORKER)
        for worker in self._workers:
            of, details = (worker.name, worker.host, worker.pool), worker.details
            models = ", ".join(details.get("models", ()))
            version = str(details.get("version", ""))
            info.add_metric(of, {"version": version, "device_name": worker.device, "models": models})
            slots.add_metric(of, worker.slots)
            busy.add_metric(of, worker.busy)
            unwell.add_metric(of, int(not worker.is_well))
            affinity = details.get("affinity", {})
            claims.add_metric(of, affinity.get("claims", 0))
            hits.add_metric(of, affinity.get("hits", 0))
        yield from (info, slots, busy, unwell, claims, hits)

    def _of_devices(self) -> Iterator[Metric]:
        for key, name, said in _OF_DEVICES:
            gauge = GaugeMetricFamily(f"woa_device_{name}", said, labels=_DEVICE)
            for of, device in self._devices():
                gauge.add_metric(of, device.get(key, 0))
            yield gauge
        for key, name, said in _COUNTED:
            counter = CounterMetricFamily(f"woa_device_{name}", said, labels=_DEVICE)
            for of, device in self._devices():
                counter.add_metric(of, device.get(key, 0))
            yield counter

    def _of_jobs(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("woa_jobs", "Unfinished jobs that are due.", labels=("pool", "status"))
        for pool, depth in self._queue.pools.items():
            jobs.add_metric((pool, "queued"), depth.queued)
            jobs.add_metric((pool, "processing"), depth.processing)
        yield jobs

    def _devices(self) -> Iterable[tuple[Sequence[str], dict[str, Any]]]:
        for worker in self._workers:
            for number, device in enumerate(worker.details.get("devices", ())):
                yield (worker.name, worker.host, worker.pool, str(number)), device
