"""One webhook sent: signed as Standard Webhooks says, to an address that was checked, within limits.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpcore
from standardwebhooks.webhooks import Webhook

from remote.guard import RESOLVE_SECONDS, Resolve, UrlRules, check, resolve, system_resolver
from remote.pinned import PinnedBackend
from remote.sink import Budget
from remote.urls import WebUrl
from remote.web import connection_errors, trusted_roots
from speech.clock import now
from speech.errors import UrlRefused


@dataclass(frozen=True, slots=True)
class Answered:
    """What the other side said: a status, and for how many seconds it wants to be left alone."""

    status: int
    retry_after: float | None = None


def headers_of(message_id: str, moment: datetime, body: bytes, secrets: Sequence[str]) -> list[tuple[str, str]]:
    """The three headers of the specification; one signature a secret, over the bytes that are sent."""
    text = body.decode("utf-8")
    signatures = [Webhook(secret).sign(message_id, moment, text) for secret in secrets]
    return [
        ("webhook-id", message_id),
        ("webhook-timestamp", str(int(moment.timestamp()))),
        ("webhook-signature", " ".join(signatures)),
    ]


def send(
    url: str,
    body: bytes,
    headers: Sequence[tuple[str, str]],
    rules: UrlRules,
    *,
    seconds: float,
    resolver: Resolve = system_resolver,
    tls: ssl.SSLContext | None = None,
) -> Answered:
    """Post the body and read the status; what is answered besides is not read, and redirects are not followed.

    Raises:
        UrlRefused: when this server may not send there.
        DownloadFailed: when nobody answers in time, or not as HTTP.

    """
    there = check(url, rules)
    if not isinstance(there, WebUrl):
        raise UrlRefused("A webhook goes to a web server, not into a bucket.")
    budget = Budget.of(seconds, None, "answer")
    addresses = resolve(there, rules, resolver, min(RESOLVE_SECONDS, seconds))
    target = httpcore.URL(scheme=there.scheme, host=there.host, port=there.port, target=there.target)
    sent = [("Host", there.authority), ("User-Agent", "world-of-asr"), ("Content-Type", "application/json")]
    more = [*headers, ("Content-Length", str(len(body))), ("Connection", "close")]
    backend = PinnedBackend(addresses, budget)
    with (
        connection_errors(there.host),
        httpcore.ConnectionPool(ssl_context=tls or trusted_roots(), max_connections=1, network_backend=backend) as pool,
        pool.stream("POST", target, headers=[*sent, *more], content=body) as answer,
    ):
        return Answered(answer.status, _retry_after(answer))


def _retry_after(answer: httpcore.Response) -> float | None:
    """RFC 9110, 10.2.3: seconds, or a date; what is neither is not heard."""
    value = next((value for name, value in answer.headers if name.lower() == b"retry-after"), b"").decode("latin-1")
    if value.strip().isascii() and value.strip().isdecimal():
        return float(value.strip()[:9])
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now().timestamp())
