"""What becomes of an object once its job has ended: results go where they belong, then the source is moved or tagged.

Everything here may be done twice: results are written over by the same bytes, and what was moved stays moved. Only then
does the object's row say that it is done.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import structlog

from pipeline.render import rendered
from pipeline.source import Source
from remote.buckets import BucketUrl
from remote.stores import parse_place, place_of
from speech.codec import from_json
from speech.errors import Blame, SourceChanged, SpeechError, UrlNotFound, blame_of
from speech.formats import find, resolve
from speech.ingestion import NEXT_TO_SOURCE, ObjectStatus
from speech.jobs import JobStatus
from speech.logs import about
from speech.transcript import Transcript
from storage.ingest_objects import Ended, IngestObject

log = structlog.get_logger(__name__)

SOURCE_CHANGED = "source_changed"
IN_A_ROW = 3
"""After so many objects in a row that met a store that is away, the others wait for the next run."""
_DELETED = "The results were deleted before they could be written back."


class Outdated(Exception):
    """The object holds newer bytes than the results are of."""


def settle_ended(source: Source, *, try_failed_again: bool) -> None:
    """See to every object of the source whose job has ended; LeavingSource when the process wants to leave."""
    after, away = "", 0
    objects = source.runtime.store.ingest_objects
    while batch := source.runtime.wait(objects.ended(source.ingest.ingest_id, after=after)):
        for ended in batch:
            source.go_on()
            with about(object_id=ended.found.object_id):
                away = 0 if _settle(source, ended, try_failed_again=try_failed_again) else away + 1
            if away >= IN_A_ROW:
                return
        after = batch[-1].found.object_id


def _settle(source: Source, ended: Ended, *, try_failed_again: bool) -> bool:
    """Whether the stores answered."""
    match ended.job_status:
        case JobStatus.COMPLETED if not ended.results_deleted:
            return _hand_back(source, ended.found)
        case JobStatus.FAILED | JobStatus.EXPIRED if ended.job_error_code is not None:
            _after_failure(source, ended, try_failed_again=try_failed_again)
        case JobStatus.CANCELLED:
            _say(source, ended.found, ObjectStatus.CANCELLED, "The job was cancelled.", "job_cancelled")
        case None:
            _say(source, ended.found, ObjectStatus.CANCELLED, "The job was deleted.", "job_not_found")
        case _:
            _say(source, ended.found, ObjectStatus.CANCELLED, _DELETED, "result_expired")
    return True


def _after_failure(source: Source, ended: Ended, *, try_failed_again: bool) -> None:
    found = ended.found
    if ended.job_error_code == SOURCE_CHANGED:
        # Its bytes are gone; those that replaced them are a version of their own.
        _say(source, found, ObjectStatus.SUPERSEDED, ended.job_error, ended.job_error_code)
        return
    # A server whose disk was full for days has not tried the object: such a failure costs it nothing.
    its_own = blame_of(ended.job_error_code) is Blame.REQUEST
    if (its_own and found.tries >= source.ingest.options.tries) or ended.results_deleted or ended.over:
        code = ended.job_error_code or SpeechError.code
        _say(source, found, ObjectStatus.QUARANTINED, ended.job_error or "It could not be transcribed.", code)
    elif try_failed_again:
        most = source.most_unfinished
        again = source.runtime.store.ingest_objects.try_again(found, max_unfinished=most, counts=its_own)
        source.count(tried_again=int(source.runtime.wait(again)))


def _hand_back(source: Source, found: IngestObject) -> bool:
    """Whether the stores answered."""
    try:
        _write_and_clear(source, found)
    except (Outdated, SourceChanged):
        _say(source, found, ObjectStatus.SUPERSEDED, "A newer version lies there.", SOURCE_CHANGED)
    except SpeechError as error:
        passing = error.retryable or error.blame is not Blame.REQUEST
        _not_written(source, found, error.message, error.code, final=not passing)
        return not passing
    except Exception as error:
        log.exception("an object could not be seen to")
        _not_written(source, found, f"Unexpected {type(error).__name__}.", SpeechError.code, final=True)
    else:
        _say(source, found, ObjectStatus.DONE, None, None)
    return True


def _write_and_clear(source: Source, found: IngestObject) -> None:
    options, place = source.ingest.options, place_of(found.url)
    if source.runtime.wait(source.runtime.store.ingest_objects.is_outdated(found)):
        raise Outdated
    if options.results.to is not None:
        _want_unchanged(source, found, place)
        _write(source, found, place)
    if options.when_done.action != "keep":
        _want_unchanged(source, found, place)
        _ENDS[options.when_done.action](source, place, found.version)


def _want_unchanged(source: Source, found: IngestObject, place: BucketUrl) -> None:
    try:
        if source.shelf(place).look(place.key).version != found.version:
            raise Outdated
    except UrlNotFound:
        return  # deleted, or moved by a run that died before it could say so


def _write(source: Source, found: IngestObject, place: BucketUrl) -> None:
    to = source.ingest.options.results.to
    if to is None or to == NEXT_TO_SOURCE:
        target = place
    else:
        folder = parse_place(to)
        target = BucketUrl(folder.scheme, folder.bucket, _joined(folder.key, source.below(place.key)))
    shelf = source.shelf(target, write=True)
    for name, content in _contents(source, found).items():
        shelf.write(f"{target.key}.{find(name).extension}", content)


def _contents(source: Source, found: IngestObject) -> dict[str, bytes]:
    """The transcript in every format that is wanted."""
    runtime, options = source.runtime, source.ingest.options
    rows = runtime.wait(runtime.store.transcripts.of_job(found.owner_id, found.job_id or ""))
    if not rows:
        raise UrlNotFound(_DELETED)
    stored = runtime.store.blobs.read(rows[0].blob_key)
    transcript: Transcript = from_json(json.loads(stored))
    return {
        name: stored if name == "json" else rendered(transcript, name, options.request.subtitles)
        for name in resolve(options.results.formats)
    }


def _move(source: Source, place: BucketUrl, version: str) -> None:
    folder = parse_place(source.ingest.options.when_done.to or "")
    key = _joined(folder.key, source.below(place.key))
    source.shelf(BucketUrl(folder.scheme, folder.bucket, key), write=True)
    source.shelf(place, write=True).move(place.key, folder.bucket, key, version)
    source.count(moved=1)


def _tag(source: Source, place: BucketUrl, version: str) -> None:
    done = source.ingest.options.when_done
    source.shelf(place, write=True).tag(place.key, done.tag_name, done.tag_value)
    source.count(tagged=1)


_ENDS: dict[str, Callable[[Source, BucketUrl, str], None]] = {"move": _move, "tag": _tag}


def _not_written(source: Source, found: IngestObject, error: str, code: str, *, final: bool) -> None:
    if final and found.write_tries + 1 >= source.ingest.options.tries:
        _say(source, found, ObjectStatus.QUARANTINED, error, code)
        return
    source.count(postponed=1)
    source.runtime.wait(source.runtime.store.ingest_objects.not_written(found, error, code, counts=final))


_COUNTED = {
    ObjectStatus.DONE: "done",
    ObjectStatus.QUARANTINED: "quarantined",
    ObjectStatus.SUPERSEDED: "superseded",
}


def _say(source: Source, found: IngestObject, status: ObjectStatus, error: str | None, code: str | None) -> None:
    said = source.runtime.wait(source.runtime.store.ingest_objects.settle(found, status, error, code))
    if said and status in _COUNTED:
        source.count(**{_COUNTED[status]: 1})


def _joined(folder: str, rest: str) -> str:
    return f"{folder}/{rest}" if folder else rest
