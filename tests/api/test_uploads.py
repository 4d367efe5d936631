"""POST /upload: what decodes is kept, what does not is gone, whatever it is called."""

from __future__ import annotations

import asyncio
import hashlib
import io
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from speech.settings import Settings
from storage.ids import new_id
from tests.api.conftest import Desk, opened

FORM = "multipart/form-data; boundary=frontier"


def part(name: str, content: bytes, extra: str = '; filename="a.wav"') -> bytes:
    head = f'--frontier\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--frontier--\r\n"


async def send(desk: Desk, body: bytes, content_type: str = FORM) -> httpx.Response:
    return await desk.client.post("/api/v1/upload", content=body, headers={"Content-Type": content_type})


async def test_answers_what_the_contract_names(desk: Desk, speech: bytes) -> None:
    answer = await desk.client.post("/api/v1/upload", files=[("files", ("jfk.flac", speech, "audio/flac"))])
    assert answer.status_code == 201
    body = answer.json()
    assert body["file_ids"] == [body["files"][0]["file_id"]]
    assert body["uploaded_at"].endswith("Z")
    assert body["files"][0] == {
        "file_id": body["file_ids"][0],
        "filename": "jfk.flac",
        "size_bytes": len(speech),
        "content_type": "audio/flac",
        "duration": 11.0,
        "sample_rate": 16000,
        "channels": 1,
        "sha256": hashlib.sha256(speech).hexdigest(),
    }
    assert desk.blobs() == [f"owners/default/files/{body['file_ids'][0]}/audio"]
    assert desk.store.blobs.read(desk.blobs()[0]) == speech


@pytest.mark.parametrize("filename", ["recording", "jfk.flac", "notes.txt", "x.wav.exe"])
async def test_octet_stream_and_odd_endings_are_accepted(desk: Desk, speech: bytes, filename: str) -> None:
    """An ancestor refused application/octet-stream."""
    answer = await desk.client.post("/api/v1/upload", files=[("files", (filename, speech, "application/octet-stream"))])
    assert answer.status_code == 201
    assert answer.json()["files"][0]["filename"] == filename
    assert answer.json()["files"][0]["content_type"] == "application/octet-stream"


async def test_video_is_accepted(desk: Desk, tmp_path: Path) -> None:
    answer = await desk.client.post("/api/v1/upload", files=[("files", ("film.mkv", video(), "video/x-matroska"))])
    assert answer.status_code == 201
    assert answer.json()["files"][0]["sample_rate"] == 16000


async def test_same_named_files_are_kept_apart(desk: Desk, clips: list[object], speech: bytes, jfk: Path) -> None:
    """An ancestor stored files under their names, so that one overwrote the other."""
    other = (jfk.parent / "librivox-0870.flac").read_bytes()
    first, second = await desk.upload(("call.flac", speech), ("call.flac", other))
    assert desk.store.blobs.read(f"owners/default/files/{first}/audio") == speech
    assert desk.store.blobs.read(f"owners/default/files/{second}/audio") == other


async def test_a_rejected_upload_leaves_no_orphan(desk: Desk, speech: bytes) -> None:
    """An ancestor kept the good files of a refused upload."""
    answer = await desk.client.post(
        "/api/v1/upload", files=[("files", ("good.flac", speech)), ("files", ("bad.wav", b"no sound in here"))]
    )
    assert answer.status_code == 422
    body = answer.json()
    assert body["code"] == "invalid_audio"
    assert [(error["field"], error["filename"], error["code"]) for error in body["errors"]] == [
        ("files[1]", "bad.wav", "invalid_audio")
    ]
    assert desk.blobs() == []
    assert (await desk.store.files.list("default"))[0] == []


async def test_an_empty_file_is_no_audio(desk: Desk) -> None:
    answer = await send(desk, form(part("files", b"")))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_audio")
    assert desk.blobs() == []


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\\\temp\\\\call.wav", "call.wav"),
        ("a\x07b\u202egnp.wav", "abgnp.wav"),
        ("x" * 5000 + ".wav", "x" * 251 + ".wav"),
        ("..", "audio"),
        ("\u200f \u200e", "audio"),
        ("", "audio"),
        ("Gespräch №5.wav", "Gespräch №5.wav"),
        ("say %22hi%22.wav", 'say "hi".wav'),
    ],
)
async def test_hostile_filenames_are_shown_harmlessly_and_never_paths(
    desk: Desk, speech: bytes, given: str, shown: str
) -> None:
    answer = await send(desk, form(part("files", speech, f'; filename="{given}"')))
    assert answer.status_code == 201, answer.text
    file = answer.json()["files"][0]
    assert file["filename"] == shown
    assert desk.blobs() == [f"owners/default/files/{file['file_id']}/audio"]


async def test_a_filename_in_extended_notation_is_understood(desk: Desk, speech: bytes) -> None:
    answer = await send(desk, form(part("files", speech, "; filename*=utf-8''%D0%B7%D0%B2%D1%83%D0%BA.flac")))
    assert answer.json()["files"][0]["filename"] == "звук.flac"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{}", "application/json", 415, "unsupported_media_type"),
        (b"x", "multipart/form-data", 422, "malformed_body"),
        (b"x", f"multipart/form-data; boundary={'b' * 500}", 422, "malformed_body"),
        (b"no boundary at all", FORM, 422, "malformed_body"),
        (part("files", b"cut off"), FORM, 422, "malformed_body"),
        (b"--frontier\r\nBad Header\r\n\r\n", FORM, 422, "malformed_body"),
        (b"--frontier\r\n" + b"X: y\r\n" * 100 + b"\r\n", FORM, 422, "malformed_body"),
        (b"", FORM, 422, "malformed_body"),
        (b"--frontier--\r\n", FORM, 422, "invalid_request"),
        (form(part("file", b"x")), FORM, 422, "invalid_request"),
        (form(part("files", b"/home/me/talk.mp3", "")), FORM, 422, "invalid_request"),
    ],
)
async def test_broken_forms_are_refused_and_leave_nothing(
    desk: Desk, body: bytes, content_type: str, status: int, code: str
) -> None:
    answer = await send(desk, body, content_type)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert desk.blobs() == []


async def test_another_field_is_named(desk: Desk, speech: bytes) -> None:
    answer = await send(desk, form(part("files", speech), part("language", b"en", "")))
    assert [error["field"] for error in answer.json()["errors"]] == ["language"]
    assert desk.blobs() == []


async def test_a_file_above_the_limit_is_413_while_it_comes(changed: Callable[..., Settings], speech: bytes) -> None:
    sent = 0

    async def endless() -> object:
        nonlocal sent
        yield part("files", b"")[:-2]
        for _ in range(200):
            sent += 1
            yield bytes(1024 * 1024)

    async with opened(changed(max_upload_bytes=2_000_000)) as desk:
        answer = await desk.client.post("/api/v1/upload", content=endless(), headers={"Content-Type": FORM})
        assert (answer.status_code, answer.json()["code"]) == (413, "file_too_large")
        assert sent < 200
        assert desk.blobs() == []
        assert [path for path in (desk.settings.data_dir / "blobs").rglob("*") if path.is_file()] == []


async def test_more_files_than_allowed_are_413(changed: Callable[..., Settings], speech: bytes) -> None:
    async with opened(changed(max_files_per_upload=2)) as desk:
        answer = await send(desk, form(*[part("files", speech)] * 3))
        assert (answer.status_code, answer.json()["code"]) == (413, "too_many_files")
        assert desk.blobs() == []


async def test_a_declared_length_above_the_limit_is_refused_at_once(changed: Callable[..., Settings]) -> None:
    async with opened(changed(max_upload_bytes=1000, max_files_per_upload=1)) as desk:
        answer = await send(desk, form(part("files", bytes(200_000))))
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_a_full_disk_is_507_and_leaves_nothing(desk: Desk, speech: bytes) -> None:
    with no_file_larger_than(100_000):
        answer = await send(desk, form(part("files", speech)))
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert desk.blobs() == []


async def test_audio_longer_than_allowed_is_refused(changed: Callable[..., Settings], speech: bytes) -> None:
    async with opened(changed(max_audio_seconds=5)) as desk:
        answer = await send(desk, form(part("files", speech)))
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_audio")
        assert desk.blobs() == []


async def test_many_uploads_at_once(desk: Desk, speech: bytes) -> None:
    answers = await asyncio.gather(*(desk.upload((f"{index}.flac", speech)) for index in range(6)))
    assert len({file_id for ids in answers for file_id in ids}) == 6
    assert len(desk.blobs()) == 6


async def test_get_and_delete_of_a_file(desk: Desk, speech: bytes) -> None:
    (file_id,) = await desk.upload(("call.flac", speech))
    shown = (await desk.client.get(f"/api/v1/files/{file_id}")).json()
    assert (shown["filename"], shown["duration"]) == ("call.flac", 11.0)
    assert shown["created_at"].endswith("Z")
    gone = await desk.client.delete(f"/api/v1/files/{file_id}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert desk.blobs() == []
    for answer in (
        await desk.client.get(f"/api/v1/files/{file_id}"),
        await desk.client.delete(f"/api/v1/files/{file_id}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "file_not_found")


async def test_a_file_that_a_job_needs_stays(desk: Desk, speech: bytes) -> None:
    (file_id,) = await desk.upload(("call.flac", speech))
    await desk.transcribe(file_ids=[file_id])
    answer = await desk.client.delete(f"/api/v1/files/{file_id}")
    assert (answer.status_code, answer.json()["code"]) == (409, "file_in_use")
    assert len(desk.blobs()) == 1


async def test_nothing_stays_when_the_rows_cannot_be_written(
    desk: Desk, speech: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise OSError("the disk went away")

    monkeypatch.setattr(desk.store.files, "add", broken)
    answer = await send(desk, form(part("files", speech)))
    assert answer.status_code == 500
    assert "went away" not in answer.text
    assert desk.blobs() == []


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """A disk without room, as far as this process can tell: writes beyond the size fail with EFBIG."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def video() -> bytes:
    import av
    import numpy as np

    target = io.BytesIO()
    with av.open(target, "w", format="matroska") as container:
        picture = container.add_stream("mpeg4", rate=5)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        for index in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), index * 40, np.uint8), format="rgb24")
            container.mux(picture.encode(frame))
        tone = (np.sin(np.arange(16000) / 8) * 9000).astype(np.int16)[None]
        heard = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
        heard.sample_rate = 16000
        container.mux(sound.encode(heard))
        container.mux(picture.encode(None))
        container.mux(sound.encode(None))
    return target.getvalue()


def test_new_ids_are_blob_names() -> None:
    assert new_id().isalnum()
