"""A client that loses nothing: recordings and jobs under idempotency keys, asked again for as long as it takes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

AGAIN_SECONDS = 0.3
JOBS_A_FILE = 5
"""How many jobs in a row are about the same upload."""
AHEAD = 0.125
"""Share of the jobs that may be unfinished; then the client waits before it submits more."""
RESERVE = 0.1
"""Share of the jobs that come one by one for as long as not everything has happened that is to happen."""


@dataclass
class Load:
    """Submits ``count`` jobs; ``jobs`` are those answered for, each with its clip; ``told`` is what came instead."""

    client: httpx.AsyncClient
    clips: Sequence[Path]
    count: int
    webhook_url: str
    ended: Callable[[], int]
    over: Callable[[], bool] = lambda: True
    """Whether all has happened that is to happen while jobs are at work."""
    jobs: dict[str, str] = field(default_factory=dict)
    told: Counter[str] = field(default_factory=Counter)

    async def submit_all(self) -> None:
        """Submit them one after the other, so that some wait and none waits long."""
        file_id, clip = "", self.clips[0]
        for number in range(self.count):
            while not self._may_submit(number):
                await asyncio.sleep(AGAIN_SECONDS)
            if number % JOBS_A_FILE == 0:
                clip = self.clips[number // JOBS_A_FILE % len(self.clips)]
                file_id = await self._upload(clip, f"upload-{number}")
            self.jobs[await self._submit(file_id, f"job-{number}")] = clip.stem

    def _may_submit(self, number: int) -> bool:
        unfinished = len(self.jobs) - self.ended()
        if number >= self.count * (1 - RESERVE) and not self.over():
            return unfinished == 0
        return unfinished < max(4, self.count * AHEAD)

    async def result(self, job_id: str) -> Any:
        """The transcript of a job."""
        return await self._asked(lambda: self.client.get(f"/results/{job_id}/json"))

    async def _submit(self, file_id: str, key: str) -> str:
        body = {"file_ids": [file_id], "model": "tiny.en", "cache": "refresh", "webhook_url": self.webhook_url}
        headers = {"Idempotency-Key": key}
        answer = await self._asked(lambda: self.client.post("/transcribe", json=body, headers=headers))
        return str(answer["job_id"])

    async def _upload(self, clip: Path, key: str) -> str:
        content = clip.read_bytes()

        def ask() -> Awaitable[httpx.Response]:
            files = {"files": (clip.name, content)}
            return self.client.post("/upload", files=files, headers={"Idempotency-Key": key})

        answer = await self._asked(ask)
        return str(answer["file_ids"][0])

    async def _asked(self, ask: Callable[[], Awaitable[httpx.Response]]) -> Any:
        """Ask until there is an answer; what speaks against asking again is an error."""
        while True:
            try:
                answer = await ask()
            except httpx.TransportError as error:
                self.told[type(error).__name__] += 1
            else:
                if answer.is_success:
                    return answer.json()
                if answer.status_code not in (409, 429) and not answer.is_server_error:
                    raise RuntimeError(f"{answer.request.url}: {answer.status_code} {answer.text[:300]}")
                self.told[str(answer.status_code)] += 1
            await asyncio.sleep(AGAIN_SECONDS)
