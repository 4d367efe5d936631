"""One download from a URL that somebody gave, within the rules and limits: the file is there whole, or not at all."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from remote.buckets import BucketUrl, opened
from remote.guard import Resolve, UrlRules, check, system_resolver
from remote.shelf import Shelf
from remote.sink import Budget, Sink
from remote.urls import shown
from remote.web import Answer, WebFetch, trusted_roots
from speech.errors import SourceChanged
from speech.filenames import shown_name

_BLOCK = 4 << 20


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What came: a clean ``filename``, the media type where one was given, size in bytes, sha256 in hex."""

    filename: str
    content_type: str | None
    size_bytes: int
    sha256: str


def download(
    url: str,
    target: Path,
    rules: UrlRules,
    *,
    max_bytes: int,
    timeout: float,
    cancelled: Callable[[], bool] | None = None,
    resolver: Resolve = system_resolver,
    tls: ssl.SSLContext | None = None,
) -> Downloaded:
    """Fetch ``url`` into ``target`` (its folder is made when absent), at most ``max_bytes`` in ``timeout`` seconds.

    ``cancelled`` is asked at least twice a second while bytes are awaited over http. UrlRefused and UrlNotFound are
    final, as is FileTooLarge; DownloadFailed and StorageFull may go away; JobCancelled when it was cancelled. Whatever
    is raised, nothing is left behind, and no message holds the URL's query.
    """
    found = check(url, rules)
    budget = Budget.of(timeout, cancelled)
    with Sink(target, max_bytes, budget, shown(url)) as sink:
        if isinstance(found, BucketUrl):
            answer = _read_object(found, rules, sink)
        else:
            answer = WebFetch(rules, budget, resolver, tls or trusted_roots())(found, sink)
    return Downloaded(answer.filename, answer.content_type, sink.size_bytes, sink.sha256)


def bring(
    shelf: Shelf,
    key: str,
    version: str,
    target: Path,
    *,
    max_bytes: int,
    timeout: float,
    cancelled: Callable[[], bool] | None = None,
) -> Downloaded:
    """The same for one version of an object of a shelf; SourceChanged when other bytes lie there by now."""
    name = shown_name(key)
    with Sink(target, max_bytes, Budget.of(timeout, cancelled), name) as sink:
        sink.expect(_unchanged(shelf, key, version))
        with shelf.reading(key) as file:
            while block := file.read(_BLOCK):
                sink.write(block)
        _unchanged(shelf, key, version)
    return Downloaded(name, None, sink.size_bytes, sink.sha256)


def _unchanged(shelf: Shelf, key: str, version: str) -> int:
    """The size of the object, when it is the version that was met."""
    found = shelf.look(key)
    if found.version != version:
        raise SourceChanged("The object was written anew after it was met; the new version is a job of its own.")
    return found.size_bytes


def _read_object(url: BucketUrl, rules: UrlRules, sink: Sink) -> Answer:
    with opened(url, rules.bucket_options.get(url.scheme, {}), _BLOCK) as file:
        size = getattr(file, "size", None)
        if isinstance(size, int):
            sink.expect(size)
        while block := file.read(_BLOCK):
            sink.write(block)
    return Answer(shown_name(url.key), None)
