"""A client that submits a job and follows its events, and notes when it was told what."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from benchmarks.stack import Stack

ENDS = ("completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Followed:
    """A job as its client saw it, in seconds since the epoch: from just before the POST to the event that ended it."""

    job_id: str
    posted: float
    answered: float
    processing: float
    ended: float
    end: str


def follow(stack: Stack, client: httpx.Client, **body: Any) -> Followed:
    """Submit a job and read its events as they come, until its end."""
    posted = time.time()
    job_id = stack.submit(client, **body)
    answered = time.time()
    processing = None
    for moment, kind, data in _events(client, job_id):
        if processing is None and data["status"] == "processing":
            processing = moment
        if kind in ENDS:
            return Followed(job_id, posted, answered, processing or moment, moment, kind)
    raise AssertionError(f"The events of job {job_id} broke off.")


def _events(client: httpx.Client, job_id: str) -> Iterator[tuple[float, str, dict[str, Any]]]:
    """Events about the job as a whole: when they came, their kinds and data."""
    kind = ""
    with client.stream("GET", f"/jobs/{job_id}/events") as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data" and kind != "segment":
                yield time.time(), kind, json.loads(value)
