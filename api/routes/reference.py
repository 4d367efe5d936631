"""``/docs``: the reference of this API, made of ``/openapi.json`` by one page that loads nothing from elsewhere."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

router = APIRouter(include_in_schema=False)
_PAGE = files("api").joinpath("reference.html").read_text(encoding="utf-8")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@router.get("/docs")
async def get_reference() -> Response:
    """The page, for people."""
    return HTMLResponse(_PAGE, headers=_HEADERS)


@router.get("/")
async def get_root() -> Response:
    """People who open the server's address find the reference."""
    return RedirectResponse("/docs")
