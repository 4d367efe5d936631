"""``/results``: what came of a job."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api import downloads
from api.answers import refusals, shown
from api.deps import App, Caller
from api.file_answers import ARCHIVE, FILE
from api.ids import FormatName, JobId
from api.outcomes import chosen_row, completed_job, download_of
from api.schemas import ResultsView
from api.views import transcript_view
from speech.formats import resolve

router = APIRouter(prefix="/results", tags=["results"])


@router.get(
    "/{job_id}",
    operation_id="get_results",
    summary="The transcripts of a job",
    response_model=ResultsView,
    responses=refusals(404, 409, 410, 422),
)
async def get_results(job_id: JobId, parts: App, caller: Caller) -> Response:
    """What each transcript holds and what it can be had as; files that failed are in the job, not here."""
    job = await completed_job(parts, caller.owner_id, job_id)
    rows = await parts.store.transcripts.of_job(caller.owner_id, job_id)
    results = [transcript_view(row) for row in rows]
    return shown(ResultsView(job_id=job_id, status=job.status, results_count=len(results), results=results))


@router.get(
    "/{job_id}/archive",
    operation_id="get_results_archive",
    summary="All transcripts of a job as a zip",
    response_class=Response,
    responses={**ARCHIVE, **refusals(404, 409, 410, 422)},
)
async def get_archive(
    job_id: JobId,
    parts: App,
    caller: Caller,
    formats: Annotated[
        str | None,
        Query(
            max_length=200,
            pattern=r"^[A-Za-z0-9_.,\-]+$",
            description="Formats with commas between them, or `all`; those that the job asked for by default.",
            examples=["vtt,json"],
        ),
    ] = None,
) -> Response:
    """One entry for each file and format; files of the same name get numbers."""
    wanted = [name for name in (formats or "").split(",") if name]
    names = [downloads.format_named(name).name for name in wanted if name != "all"]
    job = await completed_job(parts, caller.owner_id, job_id)
    asked = resolve("all") if "all" in wanted else tuple(dict.fromkeys(names)) or resolve(job.request.output_formats)
    rows = await parts.store.transcripts.of_job(caller.owner_id, job_id)
    files = [download_of(job, row, name) for row in rows for name in asked]
    return downloads.archive(f"{job_id}.zip", parts.store.blobs, files)


@router.get(
    "/{job_id}/{format}",
    operation_id="get_result_file",
    summary="A transcript as a file",
    response_class=Response,
    responses={**FILE, **refusals(404, 409, 410, 422)},
)
async def get_result_file(
    request: Request,
    job_id: JobId,
    format: FormatName,  # noqa: A002 - the contract's name
    parts: App,
    caller: Caller,
    file_id: Annotated[
        str | None,
        Query(max_length=128, pattern=r"^[A-Za-z0-9_.\-]+$", description="Needed when the job has several files."),
    ] = None,
) -> Response:
    """Any format of any file, whether the job asked for it or not, with an ETag and a name for the download."""
    downloads.format_named(format)
    job = await completed_job(parts, caller.owner_id, job_id)
    rows = await parts.store.transcripts.of_job(caller.owner_id, job_id)
    return await downloads.answer(request, parts.store.blobs, download_of(job, chosen_row(job, rows, file_id), format))


@router.delete(
    "/{job_id}",
    operation_id="delete_results",
    summary="Delete the results of a job",
    status_code=204,
    responses=refusals(404, 409, 422),
)
async def delete_results(job_id: JobId, parts: App, caller: Caller) -> Response:
    """Transcripts, rendered files, caches and the texts of the request are gone; the job stays listed.

    409 while it runs.
    """
    await parts.store.transcripts.delete_of_job(caller.owner_id, job_id)
    await parts.store.collect()
    return Response(status_code=204)
