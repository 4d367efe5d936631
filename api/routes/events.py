"""``/jobs/{job_id}/events``: what happens to a job, as it happens."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from pydantic import BaseModel
from starlette.responses import Response

from api.answers import refusals
from api.deps import App, Caller
from api.ids import JobId
from api.job_schemas import ToldJob, ToldPiece
from api.streams import EventStream

router = APIRouter(tags=["jobs"])

_NUMBER = r"^[0-9]{0,15}$"
_EXAMPLE = """\
id: 2
event: progress
data: {"job_id":"0193a1b2","attempt":1,"status":"processing","stage":"preparing","progress":0.0,"files":[],"error":null}

id: 5
event: segment
data: {"job_id":"0193a1b2","file_id":"0193a1b1","piece":0,"revision":1,"segments":[{"id":0,"start":0.0,"end":3.2}]}

id: 7
event: completed
data: {"job_id":"0193a1b2","attempt":1,"status":"completed","stage":"done","progress":100.0,"files":[],"error":null}

"""


def _told(model: type[BaseModel], *names: str) -> dict[str, Any]:
    shape = {"$ref": f"#/components/schemas/{model.__name__}"}
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": shape}
    return {
        "type": "object",
        "required": ["event", "data", "id"],
        "properties": {"event": {"enum": list(names)}, "data": data, "id": {"type": "string", "pattern": "^[0-9]+$"}},
    }


_EVENT = {"oneOf": [_told(ToldJob, "progress", "completed", "failed", "cancelled"), _told(ToldPiece, "segment")]}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-Sent Events; the data of each is a JSON object.\n\n"
        "* `progress` `{job_id, attempt, status, stage, progress, files, error, error_code}`: the job as it is now; "
        "`files` as in the job.\n"
        "* `segment` `{job_id, file_id, piece, revision, segments}`: the words of a piece of a file, with the segments "
        "of the `json` result, on the recording's own time line; it replaces what came of that piece before.\n"
        "* `completed`, `failed` or `cancelled`, as `progress`: the last one, unless the job is retried.\n\n"
        "A comment comes every 15 seconds without an event. The schema is that of one event.\n\n"
        f"```text\n{_EXAMPLE}```",
        "content": {"text/event-stream": {"schema": _EVENT}},
    },
    204: {"description": "The end was seen already: there is nothing more to come, unless the job is retried."},
}
_SEEN = "The `id` of the last event that was seen, from whichever server: what follows it comes, once."


@router.get(
    "/jobs/{job_id}/events",
    operation_id="follow_job",
    summary="Follow a job",
    response_class=Response,
    responses={**_STREAM, **refusals(404, 422)},
)
async def follow_job(
    job_id: JobId,
    parts: App,
    caller: Caller,
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", pattern=_NUMBER, description=_SEEN, examples=["5"])
    ] = None,
    after: Annotated[
        str | None,
        Query(alias="last_event_id", pattern=_NUMBER, description="The same, for clients that set no headers."),
    ] = None,
) -> Response:
    """What happens to the job, from its beginning or from where the client was, until it ends.

    The log lies in the database: a connection that broke is taken up again at any server, and loses nothing.
    """
    head = await parts.store.events.head(caller.owner_id, job_id)
    position = min(int(last_event_id or after or 0), head.number)
    if head.ended and position == head.number:
        return Response(status_code=204)
    return EventStream(parts.tail, job_id, position)
