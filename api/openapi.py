"""The OpenAPI schema: FastAPI's, and the shapes that no route names by a model."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.batches import BatchBody
from api.job_schemas import ToldJob, ToldPiece
from api.problems import Problem
from api.speaker_schemas import SpeakerBody, SpeakerChange, TakesBody
from speech.ingestion import IngestOptions
from speech.options import TranscribeRequest

TITLE = "World of ASR"
DESCRIPTION = """\
Speech to text: send recordings, ask for a transcription, follow the job, take the words in any format.

* **Who may call.** `Authorization: Bearer KEY`, with a key that `woa keys create` printed. As long as a server has no
  key, it serves its own machine alone, without one. `/health/live`, `/health/ready`, this reference and
  `/openapi.json` are open to all and tell nothing of anybody's data. Ids of other owners answer 404.
* **Errors** are `application/problem+json` (RFC 9457): `detail` is a sentence that a person can act on, `code` a word
  for programs, `errors` names fields or files, `request_id` is in the server's log.
* **Times** are ISO 8601 UTC, positions in audio are seconds. Ids are opaque.
* **Lists** come in pages: `limit`, and `cursor` from the page before.
* **HEAD** works wherever GET does. Every response carries `X-Request-ID`; a client may choose it.
"""
TAGS = [
    {"name": "files", "description": "Recordings that this server holds."},
    {"name": "jobs", "description": "Transcriptions: asked for, followed, stopped, run again."},
    {"name": "batches", "description": "Many transcriptions at once."},
    {"name": "results", "description": "Words with times, in any format."},
    {"name": "speakers", "description": "Voices that jobs call by their names."},
    {"name": "ingests", "description": "Buckets and folders that recordings are taken from, on a schedule."},
    {"name": "catalogue", "description": "What can be asked for."},
    {"name": "health", "description": "How the server is."},
]
_REQUEST_ID = {"description": "The id of this request, as in the server's log.", "schema": {"type": "string"}}


def install(app: FastAPI) -> None:
    """Have the app tell its schema so; it is made once."""

    def schema() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(
                get_openapi(title=TITLE, version=app.version, description=DESCRIPTION, routes=app.routes, tags=TAGS)
            )
        return app.openapi_schema

    app.openapi = schema  # type: ignore[method-assign]


def _with_text(shape: dict[str, Any]) -> dict[str, Any]:
    """The body of `/align`: that of `/transcribe` with the text, which is called so, and one recording."""
    fields = {name: field for name, field in shape["properties"].items() if name != "script"}
    text = {
        "type": "string",
        "minLength": 1,
        "maxLength": 500_000,
        "description": "What is spoken, word for word, in the order in which it is spoken.",
    }
    return shape | {
        "title": "AlignRequest",
        "description": "A recording and what is said in it; the other fields are those of `TranscribeRequest`.",
        "properties": {"text": text, **fields},
        "required": ["text"],
    }


def _complete(schema: dict[str, Any]) -> dict[str, Any]:
    shapes = schema.setdefault("components", {}).setdefault("schemas", {})
    speakers = (SpeakerBody, SpeakerChange, TakesBody)
    for model in (Problem, TranscribeRequest, BatchBody, ToldJob, ToldPiece, IngestOptions, *speakers):
        shape = model.model_json_schema(ref_template="#/components/schemas/{model}", mode="validation")
        shapes.update(shape.pop("$defs", {}))
        shapes[model.__name__] = shape
    shapes["AlignRequest"] = _with_text(shapes["TranscribeRequest"])
    for operations in schema["paths"].values():
        for operation in operations.values():
            for response in operation["responses"].values():
                response.setdefault("headers", {})["X-Request-ID"] = _REQUEST_ID
    return schema
