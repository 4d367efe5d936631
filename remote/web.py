"""Fetching over http and https: redirects by hand, each one checked and pinned, the body streamed within limits."""

from __future__ import annotations

import ssl
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpcore
import httpx

from remote.filenames import from_disposition, from_path
from remote.guard import RESOLVE_SECONDS, Resolve, UrlRules, check, resolve
from remote.pinned import PinnedBackend
from remote.sink import Budget, Sink
from remote.urls import WebUrl
from speech.errors import DownloadFailed, UrlNotFound, UrlRefused
from speech.filenames import UNNAMED

IDLE_SECONDS = 30.0
"""A server that sends nothing for so long has lost us."""
_BLOCK = 1 << 20
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LATER = frozenset({408, 421, 425, 429})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said about the file: a clean name, and its media type where it gave one."""

    filename: str
    content_type: str | None


def trusted_roots() -> ssl.SSLContext:
    """Certificates are verified against Mozilla's roots and those that the system trusts."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


@dataclass(frozen=True, slots=True)
class WebFetch:
    """Fetches one URL into one sink."""

    rules: UrlRules
    budget: Budget
    resolver: Resolve
    tls: ssl.SSLContext

    def __call__(self, url: WebUrl, sink: Sink) -> Answer:
        """Follow redirects and write the body; UrlRefused, UrlNotFound, DownloadFailed, and what the sink raises."""
        here = url
        for _ in range(self.rules.max_redirects + 1):
            with self._response(here) as response:
                if response.status not in _REDIRECTS:
                    return self._take(response, here, url, sink)
                here = self._next(here, _header(response, b"location"))
        raise UrlRefused(f"{url.host} redirects more than {self.rules.max_redirects} times.")

    @contextmanager
    def _response(self, url: WebUrl) -> Iterator[httpcore.Response]:
        addresses = resolve(url, self.rules, self.resolver, min(RESOLVE_SECONDS, max(self.budget.left, 0)))
        target = httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target)
        waits = {"connect": IDLE_SECONDS, "read": IDLE_SECONDS, "write": IDLE_SECONDS, "pool": IDLE_SECONDS}
        backend = PinnedBackend(addresses, self.budget)
        with (
            connection_errors(url.host),
            httpcore.ConnectionPool(ssl_context=self.tls, max_connections=1, network_backend=backend) as pool,
            pool.stream("GET", target, headers=_headers(url), extensions={"timeout": waits}) as given,
        ):
            yield given

    def _next(self, here: WebUrl, location: str | None) -> WebUrl:
        if not location:
            raise UrlNotFound(f"{here.host} redirects to nowhere.")
        try:
            joined = here.joined(location.strip().replace(" ", "%20"))
        except ValueError as error:
            raise UrlRefused(f"{here.host} redirects to a URL that cannot be read.") from error
        there = check(joined, self.rules)
        if not isinstance(there, WebUrl):
            raise UrlRefused(f"{here.host} redirects into a bucket, which is not followed.")
        if here.scheme == "https" and there.scheme != "https":
            raise UrlRefused(f"{here.host} redirects from https to http, which is not followed.")
        return there

    def _take(self, response: httpcore.Response, here: WebUrl, asked: WebUrl, sink: Sink) -> Answer:
        _want_success(response.status, here.host)
        length = _header(response, b"content-length")
        if length is not None and length.isdigit():
            sink.expect(int(length))
        for block in _decoded(response, here.host):
            sink.write(block)
        named = from_disposition(_header(response, b"content-disposition"))
        media = (_header(response, b"content-type") or "").split(";", 1)[0].strip().lower()[:127]
        return Answer(named or from_path(asked.path) or from_path(here.path) or UNNAMED, media or None)


def _headers(url: WebUrl) -> list[tuple[str, str]]:
    polite = [("User-Agent", "world-of-asr"), ("Accept", "*/*"), ("Accept-Encoding", "identity")]
    return [("Host", url.authority), *polite, ("Connection", "close")]


def _want_success(status: int, host: str) -> None:
    if 200 <= status < 300 and status != 206:
        return
    if status >= 500 or status in _LATER:
        raise DownloadFailed(f"{host} answered {status}; it may work later.")
    reason = {401: "asks for a login", 403: "does not give it to us", 404: "has no such file", 410: "has it no longer"}
    raise UrlNotFound(f"{host} {reason.get(status, 'does not give the file')} ({status}).")


def _header(response: httpcore.Response, name: bytes) -> str | None:
    value = next((value for key, value in response.headers if key.lower() == name), None)
    if value is None:
        return None
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _decoded(response: httpcore.Response, host: str) -> Iterable[bytes]:
    # identity was asked for; gzip comes all the same from stores that keep files compressed.
    coding = (_header(response, b"content-encoding") or "identity").strip().lower()
    if coding in {"identity", ""}:
        return response.iter_stream()
    if coding in {"gzip", "x-gzip"}:
        return _unzipped(response.iter_stream(), host)
    raise UrlNotFound(f"{host} sends the file compressed in a way that was not asked for.")


def _unzipped(blocks: Iterable[bytes], host: str) -> Iterator[bytes]:
    # In bounded steps: what a few bytes unfold to is counted before the next step.
    member = zlib.decompressobj(wbits=31)
    begun = False
    for block in blocks:
        left = block
        while left:
            if member.eof:
                member = zlib.decompressobj(wbits=31)
            begun = True
            try:
                yield member.decompress(left, _BLOCK)
            except zlib.error as error:
                raise DownloadFailed(f"{host} sent a file whose compression is damaged.") from error
            left = member.unconsumed_tail or member.unused_data
    if begun and not member.eof:
        raise DownloadFailed(f"{host} broke off in the middle of the file.")


@contextmanager
def connection_errors(host: str) -> Iterator[None]:
    """The one place where httpcore's errors become ours: DownloadFailed."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise DownloadFailed(f"{host} did not answer in time.") from error
    except httpcore.ProtocolError as error:
        raise DownloadFailed(f"{host} broke off, or does not speak HTTP as it should.") from error
    except httpcore.NetworkError as error:
        if isinstance(error.__cause__ or error.__context__, ssl.SSLCertVerificationError):
            raise DownloadFailed(f"The certificate of {host} is not to be trusted.") from error
        raise DownloadFailed(f"{host} could not be reached, or the connection broke.") from error
