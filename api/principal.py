"""Who may call: a key's owner; without any key, this machine's own people, and no web page that reaches for them.

A server without keys is open to every process of its machine, browsers included. So a page of another site must not
reach it: by a name of its own that resolves to this machine (DNS rebinding: the Host header betrays it), nor by a
form or a script that posts without asking (the Origin header betrays it), nor may a proxy pass strangers on.
"""

from __future__ import annotations

import ipaddress
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from api.refusals import HostRefused, KeyRequired, OriginRefused, Unauthenticated
from speech.settings import Settings
from storage.store import Store
from storage.tables import DEFAULT_OWNER

NONE_KEPT_SECONDS = 0.5
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
_CREATE = "create one with `woa keys create` and send it as `Authorization: Bearer KEY`"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls. Everything that the request makes or sees belongs to ``owner_id``."""

    owner_id: str
    key_id: str | None = None
    """None on a server without keys."""


class KnownKeys:
    """The keys of the store. That there are any is never forgotten, since it never changes back; that there are none
    is believed for ``NONE_KEPT_SECONDS``, so that the first key counts no later than that."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._any = False
        self._until = 0.0

    async def any(self) -> bool:
        """Whether any key was ever made."""
        if not self._any and time.monotonic() >= self._until:
            self._any = await self._store.keys.any()
            self._until = time.monotonic() + NONE_KEPT_SECONDS
        return self._any

    async def owner_of(self, secret: str) -> Principal | None:
        """Whose key it is; asked each time, so that a revoked key is worthless at once."""
        key = await self._store.keys.verify(secret)
        return None if key is None else Principal(key.owner_id, key.key_id)


async def identify(scope: Scope, settings: Settings, keys: KnownKeys) -> Principal:
    """Say who calls.

    Raises:
        Unauthenticated: there are keys, and the request names none of them.
        KeyRequired: there are no keys, and the request comes from elsewhere.
        HostRefused: there are no keys, and the Host header is not this server's.
        OriginRefused: there are no keys, and a page of another site wants to change something.

    """
    headers = Headers(scope=scope)
    given = headers.get("authorization")
    if given is not None:
        return await _by_key(given, keys)
    if await keys.any():
        raise Unauthenticated(f"This server needs an API key: {_CREATE}.")
    _check_anonymous(scope, headers, settings)
    return Principal(DEFAULT_OWNER)


def is_loopback(host: str) -> bool:
    """Whether the address, or the name, can only mean this machine."""
    bare = host.strip("[]").rstrip(".").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    address = _address(bare)
    return address is not None and _unmapped(address).is_loopback


async def _by_key(authorization: str, keys: KnownKeys) -> Principal:
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise Unauthenticated("The Authorization header must read `Bearer KEY`.")
    found = await keys.owner_of(secret.strip())
    if found is None:
        raise Unauthenticated(f"This server does not know that API key, or it was revoked: {_CREATE}.")
    return found


def _check_anonymous(scope: Scope, headers: Headers, settings: Settings) -> None:
    if not settings.allow_anonymous:
        _check_peer(scope, headers)
        _check_host(headers.get("host", ""), settings)
    if scope["method"] not in _SAFE_METHODS:
        _check_origin(headers, settings)


def _check_peer(scope: Scope, headers: Headers) -> None:
    peer = scope.get("client")
    if peer is None or not is_loopback(peer[0]):
        raise KeyRequired(f"Without an API key this server serves its own machine alone: {_CREATE}.")
    if any(name in headers for name in _FORWARDED):
        raise KeyRequired(f"This request came through a proxy, and this server has no API key yet: {_CREATE}.")


def _check_host(host: str, settings: Settings) -> None:
    """A rebound name is a name: addresses are safe, and so are names that only this machine can mean."""
    name = _host_name(host)
    if _address(name) is not None or is_loopback(name):
        return
    if name not in {settings.api_host.lower(), *(_host_name(urlsplit(o).netloc) for o in settings.cors_origins)}:
        raise HostRefused(f"Without an API key this server answers to localhost and to addresses only: {_CREATE}.")


def _check_origin(headers: Headers, settings: Settings) -> None:
    origin = headers.get("origin")
    if origin is None or origin in settings.cors_origins or "*" in settings.cors_origins:
        return
    if _place(origin) != headers.get("host", "").lower():
        raise OriginRefused(
            "A web page of another site may change nothing here: name its origin in WOA_CORS_ORIGINS, or use a key."
        )


def _place(origin: str) -> str | None:
    """Host and port of an origin; None when it is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".").lower()
    except ValueError:
        return ""


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _unmapped(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
