"""Recordings that lie in no local file are looked at in a copy, which is bounded and never stays."""

from __future__ import annotations

import errno
import io
import os
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

import av
import pytest

from speech.settings import Settings
from tests.api.conftest import Desk, opened

HEAD = 8192


class Room(NamedTuple):
    free: int


@pytest.fixture
def film(jfk: Path) -> bytes:
    """An MP4 whose index stands at its end, as writers leave it that do not go back."""
    out = io.BytesIO()
    with av.open(str(jfk)) as source, av.open(out, "w", format="mp4") as target:
        stream = target.add_stream("aac", rate=16000, layout="mono")
        for frame in source.decode(audio=0):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    data = out.getvalue()
    assert data.index(b"mdat") < HEAD < data.index(b"moov")
    return data


@pytest.fixture
def elsewhere(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Blobs that are in no local file, large ones from a few kilobytes on; the keys that are copied whole."""
    copied: list[str] = []
    get = desk.store.blobs.get

    def noted(key: str, path: Path) -> None:
        copied.append(key)
        get(key, path)

    monkeypatch.setattr(desk.store.blobs, "local_path", lambda key: None)
    monkeypatch.setattr(desk.store.blobs, "get", noted)
    monkeypatch.setattr("api.prober._HEAD_BYTES", HEAD)
    monkeypatch.setattr("api.prober._TAIL_BYTES", 512)
    return copied


async def sent(desk: Desk, data: bytes) -> tuple[int, Any]:
    answer = await desk.client.post("/api/v1/upload", files=[("files", ("a", data))])
    assert list(desk.settings.spool.iterdir()) == []
    return answer.status_code, answer.json()


async def test_of_a_large_recording_the_ends_are_enough(desk: Desk, speech: bytes, elsewhere: list[str]) -> None:
    assert len(speech) > 10 * HEAD
    status, body = await sent(desk, speech)
    assert (status, body["files"][0]["duration"], elsewhere) == (201, 11.0, [])


async def test_a_small_recording_is_looked_at_whole(
    desk: Desk, speech: bytes, elsewhere: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.prober._HEAD_BYTES", len(speech))
    status, body = await sent(desk, speech)
    assert (status, body["files"][0]["duration"], elsewhere) == (201, 11.0, [])


async def test_an_index_in_the_tail_is_seen_there(
    desk: Desk, film: bytes, elsewhere: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.prober._TAIL_BYTES", len(film) - film.index(b"moov") + 4)
    status, body = await sent(desk, film)
    assert (status, round(body["files"][0]["duration"]), elsewhere) == (201, 11, [])


async def test_an_index_that_is_not_at_the_ends_takes_the_whole(desk: Desk, film: bytes, elsewhere: list[str]) -> None:
    status, body = await sent(desk, film)
    assert (status, round(body["files"][0]["duration"]), len(elsewhere)) == (201, 11, 1)


async def test_what_is_no_film_is_never_copied_whole(desk: Desk, elsewhere: list[str]) -> None:
    status, body = await sent(desk, bytes(20 * HEAD))
    assert (status, body["code"], elsewhere) == (422, "invalid_audio", [])


async def test_a_copy_that_does_not_fit_is_507_before_it_is_begun(
    desk: Desk, film: bytes, elsewhere: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Room(len(film) - 1))
    status, body = await sent(desk, film)
    assert (status, body["code"], elsewhere) == (507, "storage_full", [])
    assert desk.blobs() == []


async def test_a_full_spool_is_507(
    desk: Desk, speech: bytes, elsewhere: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr("api.prober._copy", full)
    status, body = await sent(desk, speech)
    assert (status, body["code"]) == (507, "storage_full")


async def test_copies_of_a_killed_process_are_swept_at_the_start(settings: Settings) -> None:
    old, new, process = (settings.spool / name for name in ("probe-old", "probe-new", "process-x"))
    for folder in (old, new, process):
        folder.mkdir(parents=True)
        (folder / "audio").write_bytes(b"x")
    an_hour_ago = time.time() - 3700
    for path in (old / "audio", old, new, process / "audio", process):
        os.utime(path, (an_hour_ago, an_hour_ago))
    async with opened(settings):
        assert sorted(path.name for path in settings.spool.iterdir()) == ["probe-new", "process-x"]
