"""``/providers`` and ``/models``: what can be asked for, as data."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from api.answers import refusals, shown
from api.deps import App, Caller
from api.paging import Cursor, Limit, page_of
from api.schemas import ModelList, ProviderList

router = APIRouter(tags=["catalogue"])


@router.get(
    "/providers",
    operation_id="list_providers",
    summary="Who can recognise",
    response_model=ProviderList,
    responses=refusals(422),
)
async def list_providers(parts: App, _: Caller, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Capabilities, languages, the schema of `parameters`, and whether it is available or how to mend it."""
    rows, following = page_of(await parts.catalogue.providers(), limit, cursor)
    return shown(ProviderList(providers=rows, steps=await parts.catalogue.steps(), next_cursor=following))


@router.get(
    "/models",
    operation_id="list_models",
    summary="The models",
    response_model=ModelList,
    responses=refusals(422),
)
async def list_models(parts: App, _: Caller, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Every model of every provider: languages, size, where it comes from, whether it is on disk."""
    rows, following = page_of(await parts.catalogue.models(), limit, cursor)
    return shown(ModelList(models=rows, next_cursor=following))
