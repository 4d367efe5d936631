"""Results: every file of a job, in every format, until they are deleted."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from speech.formats import FORMATS
from storage.ids import new_id
from tests.api.conftest import WORDS, Desk, begin, complete, transcript_of, write_transcript


async def finished(desk: Desk, speech: bytes, *names: str, **body: Any) -> tuple[str, list[str]]:
    file_ids = await desk.upload(*((name, speech) for name in names))
    job_id = await desk.transcribe(file_ids=file_ids, **body)
    await complete(desk.store, job_id)
    return job_id, file_ids


async def problem(desk: Desk, path: str, method: str = "GET") -> tuple[int, str]:
    answer = await desk.client.request(method, f"/api/v1{path}")
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


async def test_results_are_what_the_contract_names(desk: Desk, speech: bytes) -> None:
    job_id, file_ids = await finished(desk, speech, "call.flac")
    body = (await desk.client.get(f"/api/v1/results/{job_id}")).json()
    assert (body["job_id"], body["status"], body["results_count"]) == (job_id, "completed", 1)
    (result,) = body["results"]
    assert result["file_id"] == file_ids[0]
    assert result["transcript_id"] == (await desk.job(job_id))["files"][0]["transcript_id"]
    assert (result["duration"], result["language"], result["language_probability"]) == (11.0, "en", 0.98)
    assert (result["segments_count"], result["words_count"], result["speakers_count"]) == (1, len(WORDS), 0)
    assert result["available_formats"] == list(FORMATS)
    assert result["filename"] == "call.flac"


@pytest.mark.parametrize("name", list(FORMATS))
async def test_every_format_is_rendered_whether_asked_for_or_not(desk: Desk, speech: bytes, name: str) -> None:
    job_id, _ = await finished(desk, speech, "my call.tape.flac")
    answer = await desk.client.get(f"/api/v1/results/{job_id}/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == FORMATS[name].media_type
    assert f'filename="my call.tape.{FORMATS[name].extension}"' in answer.headers["content-disposition"]
    if name in ("json", "vtt", "srt", "txt", "tsv"):
        assert "Americans" in answer.text
    transcript_id = (await desk.job(job_id))["files"][0]["transcript_id"]
    assert (await desk.client.get(f"/api/v1/transcripts/{transcript_id}/{name}")).content == answer.content


async def test_results_that_have_expired_are_gone_before_anybody_cleans_up(desk: Desk, speech: bytes) -> None:
    job_id, _ = await finished(desk, speech, "call.flac", expires_in=1e-6)
    job = await desk.job(job_id)
    assert job["status"] == "expired"
    assert job["expires_at"] >= job["completed_at"]
    transcript_id = job["files"][0]["transcript_id"]
    for path in (f"/results/{job_id}", f"/results/{job_id}/vtt", f"/results/{job_id}/archive"):
        assert await problem(desk, path) == (410, "result_expired")
    for path in (f"/transcripts/{transcript_id}", f"/transcripts/{transcript_id}/vtt"):
        assert await problem(desk, path) == (410, "result_expired")
    assert await problem(desk, f"/jobs/{job_id}", "DELETE") == (409, "job_finished")


async def test_the_json_result_is_the_contracts(desk: Desk, speech: bytes) -> None:
    job_id, file_ids = await finished(desk, speech, "call.flac")
    body = (await desk.client.get(f"/api/v1/results/{job_id}/json")).json()
    assert (body["job_id"], body["file_id"], body["text"]) == (job_id, file_ids[0], "And so, my fellow Americans")
    assert body["segments"][0]["words"][0]["space_before"] is False


async def test_what_was_rendered_early_is_given_as_it_is(desk: Desk, speech: bytes) -> None:
    job_id, _ = await finished(desk, speech, "call.flac")
    transcript_id = (await desk.job(job_id))["files"][0]["transcript_id"]
    desk.store.blobs.write(f"owners/default/transcripts/{transcript_id}/rendered/vtt", b"WEBVTT\n\nearly")
    assert (await desk.client.get(f"/api/v1/results/{job_id}/vtt")).content == b"WEBVTT\n\nearly"


async def test_subtitles_keep_the_jobs_options(desk: Desk, speech: bytes) -> None:
    job_id, _ = await finished(desk, speech, "call.flac", subtitles={"max_line_width": 12})
    lines = (await desk.client.get(f"/api/v1/results/{job_id}/srt")).text.splitlines()
    assert max(len(line) for line in lines if "-->" not in line) <= 12
    transcript_id = (await desk.job(job_id))["files"][0]["transcript_id"]
    assert (await desk.client.get(f"/api/v1/transcripts/{transcript_id}/srt")).text.splitlines() == lines


async def test_an_etag_saves_the_second_download(desk: Desk, speech: bytes) -> None:
    job_id, _ = await finished(desk, speech, "call.flac")
    path = f"/api/v1/results/{job_id}/vtt"
    first = await desk.client.get(path)
    etag = first.headers["etag"]
    for header in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await desk.client.get(path, headers={"If-None-Match": header})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert (await desk.client.get(path, headers={"If-None-Match": '"other"'})).status_code == 200
    assert (await desk.client.get(f"/api/v1/results/{job_id}/srt")).headers["etag"] != etag
    head = await desk.client.head(path)
    assert (head.status_code, head.headers["etag"], head.content) == (200, etag, b"")


async def test_every_file_of_a_job_can_be_downloaded(desk: Desk, speech: bytes) -> None:
    """An ancestor gave the first file only."""
    job_id, file_ids = await finished(desk, speech, "a.flac", "b.flac", "c.flac")
    for file_id, stem in zip(file_ids, "abc", strict=True):
        answer = await desk.client.get(f"/api/v1/results/{job_id}/json", params={"file_id": file_id})
        assert answer.json()["file_id"] == file_id
        assert f'filename="{stem}.json"' in answer.headers["content-disposition"]
    answer = await desk.client.get(f"/api/v1/results/{job_id}/json")
    assert (answer.status_code, answer.json()["code"]) == (409, "file_id_required")
    assert [error["message"] for error in answer.json()["errors"]] == file_ids
    assert [error["filename"] for error in answer.json()["errors"]] == ["a.flac", "b.flac", "c.flac"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_several_files_need_a_file_id_though_one_alone_has_a_transcript(
    desk: Desk, speech: bytes, method: str
) -> None:
    broken, whole = await desk.upload(("a.flac", speech), ("b.flac", speech))
    job_id = await desk.transcribe(file_ids=[broken, whole])
    await complete(desk.store, job_id, failing=(broken,))
    answer = await desk.client.request(method, f"/api/v1/results/{job_id}/json")
    assert answer.status_code == 409
    if method == "GET":
        assert answer.json()["code"] == "file_id_required"
        assert whole in answer.json()["detail"]
        assert broken not in answer.json()["detail"]


async def test_same_named_files_are_all_in_the_archive(desk: Desk, speech: bytes) -> None:
    """An ancestor wrote them over each other."""
    job_id, file_ids = await finished(desk, speech, "call.flac", "call.mp3", "Call.flac")
    for file_id in file_ids:
        answer = await desk.client.get(f"/api/v1/results/{job_id}/json", params={"file_id": file_id})
        assert answer.json()["file_id"] == file_id
    answer = await desk.client.get(f"/api/v1/results/{job_id}/archive?formats=vtt,json")
    assert answer.headers["content-type"] == "application/zip"
    assert f'filename="{job_id}.zip"' in answer.headers["content-disposition"]
    bundle = zipfile.ZipFile(io.BytesIO(answer.content))
    assert bundle.testzip() is None
    assert sorted(bundle.namelist()) == sorted(
        f"{stem}.{ending}" for ending in ("vtt", "json") for stem in ("call", "call (2)", "Call (3)")
    )
    inside = {json.loads(bundle.read(name))["file_id"] for name in bundle.namelist() if name.endswith(".json")}
    assert inside == set(file_ids)


async def test_an_archive_holds_what_the_job_asked_for_by_default(desk: Desk, speech: bytes) -> None:
    job_id, _ = await finished(desk, speech, "call.flac", output_formats=["srt", "txt"])
    names = []
    for query in ("", "?formats=all"):
        answer = await desk.client.get(f"/api/v1/results/{job_id}/archive{query}")
        names.append(sorted(zipfile.ZipFile(io.BytesIO(answer.content)).namelist()))
    assert names == [["call.srt", "call.txt"], sorted(f"call.{each.extension}" for each in FORMATS.values())]
    assert await problem(desk, f"/results/{job_id}/archive?formats=vtt,doc") == (404, "unknown_format")


async def test_a_name_from_a_url_cannot_leave_the_archive(desk: Desk) -> None:
    job_id = await desk.transcribe(urls=["https://a.example/x%2f..%2f..%2fevil%0d%0aSet-Cookie:a.mp3"])
    await complete(desk.store, job_id)
    answer = await desk.client.get(f"/api/v1/results/{job_id}/vtt")
    assert "set-cookie" not in answer.headers
    bundle = await desk.client.get(f"/api/v1/results/{job_id}/archive")
    (name,) = zipfile.ZipFile(io.BytesIO(bundle.content)).namelist()
    assert "/" not in name


async def test_formats_that_there_are_not(desk: Desk, speech: bytes) -> None:
    job_id, _ = await finished(desk, speech, "call.flac")
    transcript_id = (await desk.job(job_id))["files"][0]["transcript_id"]
    assert await problem(desk, f"/results/{job_id}/doc") == (404, "unknown_format")
    assert await problem(desk, f"/transcripts/{transcript_id}/doc") == (404, "unknown_format")


async def test_no_results_before_the_end(desk: Desk, speech: bytes) -> None:
    job_id = await desk.transcribe(file_ids=await desk.upload(("call.flac", speech)))
    for path in ("", "/json", "/archive"):
        assert await problem(desk, f"/results/{job_id}{path}") == (409, "job_not_finished")
    await begin(desk.store, job_id)
    assert await problem(desk, f"/results/{job_id}") == (409, "job_not_finished")
    assert await problem(desk, f"/results/{job_id}", "DELETE") == (409, "job_not_finished")


async def test_no_results_of_a_failed_job(desk: Desk, speech: bytes) -> None:
    file_ids = await desk.upload(("call.flac", speech))
    job_id = await desk.transcribe(file_ids=file_ids)
    await complete(desk.store, job_id, failing=tuple(file_ids))
    assert await problem(desk, f"/results/{job_id}") == (409, "job_failed")
    assert await problem(desk, f"/results/{job_id}/vtt") == (409, "job_failed")


async def test_no_results_of_a_cancelled_job(desk: Desk, speech: bytes) -> None:
    job_id = await desk.transcribe(file_ids=await desk.upload(("call.flac", speech)))
    await desk.client.delete(f"/api/v1/jobs/{job_id}")
    assert await problem(desk, f"/results/{job_id}") == (409, "job_cancelled")


async def test_a_failed_file_of_a_completed_job_says_so(desk: Desk, speech: bytes) -> None:
    good, bad = await desk.upload(("a.flac", speech), ("b.flac", speech))
    job_id = await desk.transcribe(file_ids=[good, bad])
    await complete(desk.store, job_id, failing=(bad,))
    assert (await desk.client.get(f"/api/v1/results/{job_id}")).json()["results_count"] == 1
    assert await problem(desk, f"/results/{job_id}/vtt?file_id={bad}") == (409, "job_failed")
    assert await problem(desk, f"/results/{job_id}/vtt?file_id=nope") == (404, "file_not_found")
    assert await problem(desk, f"/results/{job_id}/vtt") == (409, "file_id_required")


async def test_deleted_results_are_gone_and_say_so(desk: Desk, speech: bytes) -> None:
    job_id, file_ids = await finished(desk, speech, "call.flac", initial_prompt="hunter2")
    transcript_id = (await desk.job(job_id))["files"][0]["transcript_id"]
    for _ in range(2):
        answer = await desk.client.delete(f"/api/v1/results/{job_id}")
        assert (answer.status_code, answer.content) == (204, b"")
    assert desk.blobs() == [f"owners/default/files/{file_ids[0]}/audio"]
    for path in (f"/results/{job_id}", f"/results/{job_id}/vtt", f"/results/{job_id}/archive"):
        assert await problem(desk, path) == (410, "result_expired")
    assert await problem(desk, f"/transcripts/{transcript_id}") == (404, "transcript_not_found")
    assert (await desk.job(job_id))["status"] == "completed"


async def test_one_transcript_can_be_deleted(desk: Desk, speech: bytes) -> None:
    job_id, file_ids = await finished(desk, speech, "a.flac", "b.flac")
    first, second = [file["transcript_id"] for file in (await desk.job(job_id))["files"]]
    assert (await desk.client.delete(f"/api/v1/transcripts/{first}")).status_code == 204
    assert await problem(desk, f"/transcripts/{first}/vtt") == (404, "transcript_not_found")
    assert await problem(desk, f"/transcripts/{first}", "DELETE") == (404, "transcript_not_found")
    assert await problem(desk, f"/results/{job_id}/vtt?file_id={file_ids[0]}") == (410, "result_expired")
    assert (await desk.client.get(f"/api/v1/results/{job_id}/vtt?file_id={file_ids[1]}")).status_code == 200
    assert not any(first in key for key in desk.blobs())
    assert any(second in key for key in desk.blobs())


async def test_bytes_that_went_away_are_410(desk: Desk, speech: bytes) -> None:
    job_id, _ = await finished(desk, speech, "call.flac")
    transcript_id = (await desk.job(job_id))["files"][0]["transcript_id"]
    desk.store.blobs.delete_prefix(f"owners/default/transcripts/{transcript_id}/")
    assert await problem(desk, f"/results/{job_id}/vtt") == (410, "result_expired")


async def test_a_transcript_shows_its_job(desk: Desk, speech: bytes) -> None:
    job_id, file_ids = await finished(desk, speech, "call.flac")
    transcript_id = (await desk.job(job_id))["files"][0]["transcript_id"]
    body = (await desk.client.get(f"/api/v1/transcripts/{transcript_id}")).json()
    assert (body["job_id"], body["file_id"], body["words_count"]) == (job_id, file_ids[0], len(WORDS))


async def test_a_transcript_without_a_job_is_rendered_with_the_defaults(desk: Desk, speech: bytes) -> None:
    """As live sessions leave them."""
    from dataclasses import replace

    from sqlalchemy import insert

    from storage.tables import transcripts

    job = await desk.store.jobs.get("default", await desk.transcribe(file_ids=await desk.upload(("x", speech))))
    spoken = replace(transcript_of(job, new_id(), "live"), job_id=None, file_id=None)
    row = await write_transcript(desk.store, "default", spoken)
    async with desk.store.database.writing() as connection:
        values = {name: getattr(row, name) for name in type(row).__dataclass_fields__}
        await connection.execute(insert(transcripts).values(values))
    answer = await desk.client.get(f"/api/v1/transcripts/{row.transcript_id}/vtt")
    assert (answer.status_code, "Americans" in answer.text) == (200, True)
