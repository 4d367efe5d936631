"""From a source to jobs: its objects gone through page by page, and a job for each version that nobody met before."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from pipeline.manifest import keys_of
from pipeline.source import Source
from remote.buckets import BucketUrl, matches
from remote.patterns import matcher
from remote.shelf import Listed
from remote.stores import parse_place, refusal_of, url_of
from speech.clock import now
from speech.errors import UrlNotFound, UrlRefused
from speech.formats import FORMATS
from speech.ingestion import NEXT_TO_SOURCE
from storage.ingest_objects import Met

AT_ONCE = 20
"""Objects whose rows and jobs are written in one transaction."""
_RESULTS = tuple(f".{each.extension}" for each in FORMATS.values())


def submit_new(source: Source) -> None:
    """Give every version that the source has, and that no run has met, its job.

    Stops when the owner's queue is full; the next run goes on. A run that is killed anywhere is run again from the
    start: what has its row is known.

    Raises:
        UrlRefused, UrlNotFound: when the source cannot be read, and will not be next time.
        DownloadFailed: when it may be.
        LeavingSource: when the process wants to leave.

    """
    # What is dated in the future must not hide what comes until then, nor what is still written be passed over.
    waited_for, newest = now(), _seen(source)
    for page in _pages(source):
        source.go_on()
        newest = max([one.changed_at for one in page] + ([newest] if newest else []), default=None)
        waited_for = min([one.changed_at for one in page if not one.at_rest] + [waited_for])
        if not _submit(source, [_met(source.place, one) for one in _wanted(source, page)]):
            return
    if source.ingest.options.mode == "manifest":
        return
    unreadable = source.shelf(source.place).unreadable
    source.count(unreadable=unreadable)
    if newest is not None and not unreadable:
        seen = min(newest, waited_for)
        source.runtime.wait(source.runtime.store.ingests.saw(source.ingest.ingest_id, source.ingest, seen))


def _pages(source: Source) -> Iterator[list[Listed]]:
    if source.ingest.options.manifest is not None:
        return _listed_in(source, parse_place(source.ingest.options.manifest))
    listed = source.shelf(source.place).pages(source.place.key)
    return ([one for one in page if source.may_read(one.key)] for page in listed)


def _listed_in(source: Source, manifest: BucketUrl) -> Iterator[list[Listed]]:
    shelf = source.shelf(manifest)
    with shelf.reading(manifest.key) as content:
        keys = keys_of(manifest.key, content)
        while some := list(itertools.islice(keys, AT_ONCE)):
            yield [found for key in some if (found := _looked_up(source, key)) is not None]


def _looked_up(source: Source, name: str | None) -> Listed | None:
    """The object that a line of a manifest names; one that is not there may come until the next run."""
    place = source.place
    key = f"{place.key}/{name}" if place.key else str(name)
    named = BucketUrl(place.scheme, place.bucket, key)
    if name is None or refusal_of(named) is not None:
        source.count(refused=1)
        return None
    try:
        return source.shelf(named).look(key)
    except UrlNotFound:
        source.count(missing=1)
    except UrlRefused:
        source.count(refused=1)
    return None


def _wanted(source: Source, page: Sequence[Listed]) -> list[Listed]:
    """Those that the pattern means, that may be new, and that are no results of ours."""
    options = source.ingest.options
    meant = matcher(options.pattern)
    since = _since(source)
    beside = _results_lie_in(source)
    chosen = [
        one
        for one in page
        if one.at_rest
        and meant(source.below(one.key))
        and (since is None or one.changed_at >= since)
        and not (beside and one.key.lower().endswith(_RESULTS))
    ]
    source.count(listed=len(page), matched=len(chosen))
    return chosen


def _seen(source: Source) -> datetime | None:
    """Until when the source was seen; a moment that is still to come is none."""
    seen = source.ingest.watermark
    return seen if seen is not None and seen <= now() else None


def _since(source: Source) -> datetime | None:
    options, seen = source.ingest.options, _seen(source)
    if options.mode != "since" or seen is None:
        return None
    return seen - timedelta(seconds=options.overlap)


def _results_lie_in(source: Source) -> bool:
    to = source.ingest.options.results.to
    return to is not None and (to == NEXT_TO_SOURCE or matches(parse_place(to), source.place))


def _met(place: BucketUrl, one: Listed) -> Met:
    refusal = refusal_of(BucketUrl(place.scheme, place.bucket, one.key))
    url = url_of(place.scheme, place.bucket, one.key)
    return Met(url, one.version, one.size_bytes, one.changed_at, refusal)


def _submit(source: Source, met: Sequence[Met]) -> bool:
    """Whether the queue had room for all of them."""
    store, ingest = source.runtime.store, source.ingest
    if not met:
        return True
    fresh = source.runtime.wait(store.ingest_objects.unknown(ingest.owner_id, met))
    source.count(known=len(met) - len(fresh))
    if ingest.options.when_done.action == "move" and len(fresh) < len(met):
        source.runtime.wait(store.ingest_objects.came_back(ingest, met))
    for start in range(0, len(fresh), AT_ONCE):
        source.go_on()
        some = fresh[start : start + AT_ONCE]
        most = source.most_unfinished
        taken = source.runtime.wait(store.ingest_objects.take(ingest, some, max_unfinished=most))
        source.count(submitted=taken.submitted, known=taken.known, refused=taken.refused)
        if taken.full:
            source.count(queue_full=1)
            return False
    return True
