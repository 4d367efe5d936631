"""The sweep of blobs without a row, page by page, in a folder and in a bucket."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from speech.clock import now
from storage.blobs import Blobs
from storage.orphans import Orphans
from storage.steps import step_blob
from storage.store import Store
from tests.storage.conftest import OWNER, Desk, make_settings
from tests.storage.test_blobs import blobs, s3_options, s3_url

__all__ = ["blobs", "s3_options", "s3_url"]


async def test_page_by_page(blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.orphans._PAGE", 3)
    monkeypatch.setattr("storage.bucket_blobs._LISTED", 4)
    store = Store(Store.open(make_settings(tmp_path)).database, blobs)
    await store.migrate()
    job = await Desk(store).job()
    await store.steps.remember(OWNER, job.job_id, job.files[0].file_id, "prepare", "needed")
    for name in ["needed", *(f"lost-{index}" for index in range(10))]:
        blobs.write(step_blob(OWNER, name), b"123")
    removed = await Orphans(store.database, blobs).sweep(now() + timedelta(hours=1))
    assert (removed.count, removed.size) == (10, 30)
    left = sorted(blobs.keys("owners"))
    assert left == [f"owners/{OWNER}/files/{job.files[0].file_id}/audio", step_blob(OWNER, "needed")]
    await store.close()
