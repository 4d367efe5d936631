"""``/metrics``: workers, devices and the queue, for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.responses import PlainTextResponse, Response

from api.answers import refusals
from api.deps import App, Caller
from api.depth import look_at_queue
from api.health import WORKER_SECONDS
from api.metrics import Figures
from speech.pools import Routing

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="Figures for Prometheus",
    response_class=PlainTextResponse,
    responses=refusals(),
)
async def get_metrics(parts: App, _: Caller) -> Response:
    """Slots, load, models, memory and versions of the workers that were heard of lately, and the jobs that wait.

    Prometheus text format; give Prometheus an API key as its bearer token.
    """
    workers = await parts.store.workers.online(WORKER_SECONDS)
    queue = await look_at_queue(parts.store, Routing.from_settings(parts.settings))
    return Response(Figures(workers, queue).exposition(), media_type=CONTENT_TYPE_PLAIN_0_0_4)
