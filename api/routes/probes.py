"""``/health``: for people, and for what starts and stops processes."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from api.answers import refusals, shown
from api.deps import App, Caller
from api.health_schemas import HealthView, LiveView, ReadyView
from api.refusals import NotReady

router = APIRouter(prefix="/health", tags=["health"])


@router.get(
    "",
    operation_id="get_health",
    summary="How the server is",
    response_model=HealthView,
    responses=refusals(),
)
async def get_health(parts: App, _: Caller) -> Response:
    """Each part by itself. 200 whatever `status` tells; use `/health/ready` where a status code is needed."""
    return shown(await parts.health.report())


@router.get(
    "/live",
    operation_id="get_live",
    summary="Whether the process answers",
    response_model=LiveView,
    responses=refusals(open_to_all=True),
)
async def get_live() -> Response:
    """Open to all, and it looks at nothing: restart the process when it does not answer."""
    return shown(LiveView(status="live"))


@router.get(
    "/ready",
    operation_id="get_ready",
    summary="Whether jobs are accepted",
    response_model=ReadyView,
    responses=refusals(503, open_to_all=True),
)
async def get_ready(parts: App) -> Response:
    """Open to all, and it tells nothing else. 503 when a job could not be accepted; Prefect being down is no reason."""
    report = await parts.health.report()
    if report.status == "unhealthy":
        raise NotReady("The database or the storage does not answer, so no job can be accepted; see /health.")
    return shown(ReadyView(status="ready"))
