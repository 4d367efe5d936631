"""Runs at sources, from objects to jobs and back, without Prefect: on real stores of every kind."""

from __future__ import annotations

import errno
import gc
import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.engine import Engine
from pipeline.fetch import fetch
from pipeline.handback import settle_ended
from pipeline.ingest_check import check_ingest
from pipeline.ingestion import submit_new
from pipeline.observer import Unobserved
from pipeline.runtime import Runtime
from pipeline.source import LeavingSource, Source, SourceStopped
from providers.fake import Fake
from providers.registry import Registry
from remote.shelf import Listed
from remote.stores import AllowedStores
from speech.clock import now
from speech.errors import SourceChanged, SpeechError, StorageFull, UrlRefused
from speech.ingestion import IngestOptions, ObjectStatus
from speech.jobs import JobStatus
from speech.settings import IngestStore, Settings
from storage.errors import DatabaseUnusable
from storage.ids import new_id
from storage.ingest_objects import IngestObject
from storage.ingest_runs import Counts
from storage.ingests import Ingest
from storage.projection import Projection
from tests.api.conftest import complete
from tests.object_stores import (
    Depot,
    az_depot,
    azure_endpoint,
    depot,
    file_depot,
    gcs_endpoint,
    gs_depot,
    s3_depot,
    s3_endpoint,
)
from tests.remote.test_shelves import tags_of
from weights.store import WeightStore

__all__ = [
    "az_depot",
    "azure_endpoint",
    "depot",
    "file_depot",
    "gcs_endpoint",
    "gs_depot",
    "s3_depot",
    "s3_endpoint",
]


class Station:
    """An installation that may use some depots."""

    def __init__(self, settings: Settings, **stores: IngestStore) -> None:
        there = settings.model_copy(update={"ingest_stores": stores})
        weights, engine = WeightStore.from_settings(there), Engine.from_settings(there)
        registry = Registry(there, weights, engine, extra={"fake": lambda context: Fake()})
        self.runtime = Runtime.open(there, registry=registry)
        self.store = self.runtime.store
        self.runtime.wait(self.store.migrate())

    def ingest(self, depot: Depot, **options: Any) -> Ingest:
        asked = IngestOptions.model_validate({"url": depot.url, "request": {"provider": "fake"}, **options})
        check_ingest(asked, "default", AllowedStores.from_settings(self.runtime.settings), self.runtime.registry)
        return self.runtime.wait(self.store.ingests.create("default", asked, ingest_id=new_id()))

    def run(self, ingest: Ingest) -> Counts:
        source = self.source(ingest)
        settle_ended(source, try_failed_again=True)
        submit_new(source)
        return source.counts

    def source(self, ingest: Ingest) -> Source:
        return Source(self.runtime, self.runtime.wait(self.store.ingests.named(ingest.ingest_id)))

    def objects(self, ingest: Ingest) -> dict[str, IngestObject]:
        rows, _ = self.runtime.wait(self.store.ingest_objects.list(ingest.ingest_id, limit=1000))
        return {row.url.rpartition("/")[2]: row for row in rows}

    def jobs(self) -> int:
        return len(self.runtime.wait(self.store.jobs.list("default", limit=1000))[0])

    def complete(self, ingest: Ingest) -> None:
        for row in self.objects(ingest).values():
            job = self.runtime.wait(self.store.jobs.get("default", row.job_id or ""))
            if not job.status.finished:
                self.runtime.wait(complete(self.store, job.job_id))

    def fail(self, row: IngestObject, code: str = "invalid_audio") -> None:
        job = self.runtime.wait(self.store.jobs.get("default", row.job_id or ""))
        failed = Projection(JobStatus.FAILED, error="It is broken.", error_code=code)
        self.runtime.wait(self.store.jobs.project(job.job_id, job.submission, failed))


@pytest.fixture
def open_station(settings: Settings) -> Iterator[Any]:
    opened: list[Station] = []

    def make(**stores: IngestStore) -> Station:
        opened.append(Station(settings, **stores))
        return opened[-1]

    yield make
    for station in opened:
        station.runtime.close()


def test_the_whole_way_on_every_store(depot: Depot, open_station: Any) -> None:
    station = open_station(calls=depot.allowed())
    for name in ("a.wav", "deep/ünï cöde.wav", "notes.txt"):
        depot.put(name)
    ingest = station.ingest(depot, pattern="*.wav", results={"to": "next_to_source", "formats": ["json", "vtt"]})
    assert station.run(ingest) == Counts(listed=3, matched=2, submitted=2)
    assert station.run(ingest) == Counts(listed=3, matched=2, known=2)
    station.complete(ingest)
    assert station.run(ingest) == Counts(listed=7, matched=2, known=2, done=2)
    assert {row.status for row in station.objects(ingest).values()} == {ObjectStatus.DONE}
    assert depot.names() == sorted(
        ["a.wav", "a.wav.json", "a.wav.vtt", "notes.txt"]
        + [f"deep/ünï cöde.wav{ending}" for ending in ("", ".json", ".vtt")]
    )
    assert json.loads(depot.get("deep/ünï cöde.wav.json"))["text"] == "And so, my fellow Americans"
    assert depot.get("a.wav.vtt").startswith(b"WEBVTT")


def test_what_is_done_is_moved_or_tagged_after_its_results_are_written(depot: Depot, open_station: Any) -> None:
    base = depot.url.removesuffix("/in")
    station = open_station(calls=IngestStore(url=base, options=depot.options, write=True))
    tags = depot.place.scheme in ("s3", "az")
    end = {"action": "tag", "tag_value": "yes"} if tags else {"action": "move", "to": f"{base}/old"}
    there = Depot(base, depot.options)
    there.put("in/x/a.wav")
    ingest = station.ingest(depot, results={"to": f"{base}/out"}, when_done=end)
    station.run(ingest)
    assert there.names() == ["in/x/a.wav"]
    station.complete(ingest)
    counts = station.run(ingest)
    assert (counts.done, counts.tagged, counts.moved) == (1, int(tags), int(not tags))
    assert there.names() == sorted(["in/x/a.wav" if tags else "old/x/a.wav", "out/x/a.wav.json"])
    if tags:
        assert tags_of(depot, "x/a.wav") == {"world-of-asr": "yes"}


def test_the_job_reads_the_version_that_was_met_and_no_other(depot: Depot, open_station: Any, jfk: Path) -> None:
    station = open_station(calls=depot.allowed())
    depot.put("a b.flac", jfk.read_bytes())
    ingest = station.ingest(depot)
    station.run(ingest)
    job = station.runtime.wait(station.store.jobs.get("default", station.objects(ingest)["a b.flac"].job_id or ""))
    stored = station.runtime.wait(station.store.files.get("default", job.files[0].file_id))
    fetched = fetch(station.runtime, stored, Unobserved())
    assert (fetched.size_bytes, fetched.filename) == (jfk.stat().st_size, "a b.flac")
    depot.put("a b.flac", jfk.read_bytes() + b"more")
    with pytest.raises(SourceChanged):
        fetch(station.runtime, stored, Unobserved())
    station.fail(station.objects(ingest)["a b.flac"], "source_changed")
    counts = station.run(ingest)
    assert (counts.superseded, counts.submitted, station.jobs()) == (1, 1, 2)


def test_two_sources_that_overlap_give_one_job_a_version(s3_depot: Depot, open_station: Any) -> None:
    station = open_station(calls=s3_depot.allowed())
    for number in range(5):
        s3_depot.put(f"{number}.wav")
    one, other = station.ingest(s3_depot), station.ingest(s3_depot, pattern="*.wav")
    assert (station.run(one).submitted, station.run(other).submitted) == (5, 0)
    s3_depot.put("3.wav", b"other bytes")
    assert (station.run(other).submitted, station.run(one).submitted, station.jobs()) == (1, 0, 6)


def test_a_run_that_is_killed_is_run_again_and_loses_nothing(
    file_depot: Depot, open_station: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    station = open_station(calls=file_depot.allowed())
    for number in range(50):
        file_depot.put(f"{number}.wav")
    ingest = station.ingest(file_depot)
    take = station.store.ingest_objects.take
    calls = []

    async def dying(*given: Any, **named: Any) -> Any:
        calls.append(await take(*given, **named))
        raise RuntimeError  # after the commit, before anything else is done

    monkeypatch.setattr(station.store.ingest_objects, "take", dying)
    source = station.source(ingest)
    with pytest.raises(DatabaseUnusable):
        submit_new(source)
    monkeypatch.undo()
    assert station.jobs() == 20
    counts = station.run(ingest)
    assert (counts.known, counts.submitted, station.jobs()) == (20, 30, 50)


def test_a_full_queue_stops_the_run_and_the_next_one_goes_on(
    file_depot: Depot, settings: Settings, open_station: Any
) -> None:
    station = open_station(calls=file_depot.allowed())
    object.__setattr__(station.runtime, "settings", station.runtime.settings.model_copy(update={"max_queued_jobs": 7}))
    for number in range(5):
        file_depot.put(f"{number}.wav")
    ingest = station.ingest(file_depot, overlap=0)
    first = station.run(ingest)
    assert (first.submitted, first.queue_full) == (3, 1)  # half of the queue is the owner's own
    station.complete(ingest)
    second = station.run(ingest)
    assert (second.submitted, second.queue_full, station.jobs()) == (2, 0, 5)


def test_a_failing_object_is_tried_then_quarantined_and_the_others_go_on(file_depot: Depot, open_station: Any) -> None:
    station = open_station(calls=file_depot.allowed())
    for name in ("bad.wav", "good.wav"):
        file_depot.put(name)
    ingest = station.ingest(file_depot, tries=2, results={"to": "next_to_source"})
    station.run(ingest)
    station.fail(station.objects(ingest)["bad.wav"])
    settle_ended(station.source(ingest), try_failed_again=False)
    assert station.objects(ingest)["bad.wav"].tries == 1
    assert station.run(ingest).tried_again == 1
    station.fail(station.objects(ingest)["bad.wav"])
    station.complete(ingest)
    counts = station.run(ingest)
    assert (counts.quarantined, counts.done, counts.tried_again) == (1, 1, 0)
    bad = station.objects(ingest)["bad.wav"]
    assert (bad.status, bad.error, bad.error_code, bad.tries) == (
        ObjectStatus.QUARANTINED,
        "It is broken.",
        "invalid_audio",
        2,
    )
    assert (station.jobs(), "good.wav.json" in file_depot.names()) == (2, True)
    file_depot.put("bad.wav", b"mended by somebody")
    assert station.run(ingest).submitted == 1


@pytest.mark.parametrize("code", ["storage_full", "blobs_unusable", "database_unusable", "model_unavailable"])
def test_what_fails_of_our_own_trouble_costs_an_object_nothing(file_depot: Depot, open_station: Any, code: str) -> None:
    station = open_station(calls=file_depot.allowed())
    file_depot.put("a.wav")
    ingest = station.ingest(file_depot, tries=1, results={"to": "next_to_source"})
    station.run(ingest)
    for _ in range(3):
        station.fail(station.objects(ingest)["a.wav"], code)
        counts = station.run(ingest)
        assert (counts.tried_again, counts.quarantined) == (1, 0)
    assert station.objects(ingest)["a.wav"].tries == 1
    station.fail(station.objects(ingest)["a.wav"], "invalid_audio")
    assert station.run(ingest).quarantined == 1


def test_a_full_store_of_results_costs_an_object_nothing(
    file_depot: Depot, open_station: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    station = open_station(calls=file_depot.allowed())
    file_depot.put("a.wav")
    ingest = station.ingest(file_depot, tries=1, results={"to": "next_to_source"})
    station.run(ingest)
    station.complete(ingest)

    def full(*given: Any) -> None:
        raise StorageFull("The disk takes no more bytes.")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("pipeline.handback._write", full)
        for _ in range(2):
            assert station.run(ingest).postponed == 1
    assert station.run(ingest).done == 1


def test_a_run_stops_when_its_source_is_disabled_or_deleted_meanwhile(
    file_depot: Depot, open_station: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.source.LOOK_SECONDS", 0.0)
    station = open_station(calls=file_depot.allowed())
    ingest = station.ingest(file_depot)
    source = station.source(ingest)
    source.go_on()
    off = ingest.options.model_copy(update={"enabled": False})
    station.runtime.wait(station.store.ingests.change("default", ingest.ingest_id, off))
    with pytest.raises(SourceStopped) as stopped:
        source.go_on()
    assert stopped.value.code == "ingest_disabled"
    by_hand = station.source(ingest)
    by_hand.go_on()  # whoever asks for a run of a disabled source gets it
    station.runtime.wait(station.store.ingests.delete("default", ingest.ingest_id))
    with pytest.raises(SourceStopped) as stopped:
        by_hand.go_on()
    assert stopped.value.code == "ingest_not_found"


def test_a_moment_in_the_future_hides_nothing(file_depot: Depot, open_station: Any) -> None:
    station = open_station(calls=file_depot.allowed())
    file_depot.put("a.wav")
    later = now() + timedelta(days=400)
    os.utime(f"/{file_depot.key('a.wav')}", (later.timestamp(), later.timestamp()))
    ingest = station.ingest(file_depot, overlap=0)
    assert station.run(ingest).submitted == 1
    station.runtime.wait(station.store.ingests.saw(ingest.ingest_id, ingest, later))
    file_depot.put("b.wav")
    assert station.run(ingest).submitted == 1
    seen = station.runtime.wait(station.store.ingests.named(ingest.ingest_id)).watermark
    assert seen is not None
    assert seen < now()


def test_folders_that_cannot_be_read_are_not_empty_ones(
    file_depot: Depot, open_station: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    station = open_station(calls=file_depot.allowed())
    for name in ("a.wav", "closed/b.wav"):
        file_depot.put(name)
    ingest = station.ingest(file_depot)
    scandir, closed = os.scandir, "closed"

    def guarded(path: Any) -> Any:  # whoever runs the tests may be allowed to read everything
        if str(path).endswith(closed):
            raise PermissionError(errno.EACCES, "No.")
        return scandir(path)

    monkeypatch.setattr("os.scandir", guarded)
    counts = station.run(ingest)
    assert (counts.submitted, counts.unreadable) == (1, 1)
    assert station.runtime.wait(station.store.ingests.named(ingest.ingest_id)).watermark is None
    closed = file_depot.url.rpartition("/")[2]
    with pytest.raises(UrlRefused, match="may not"):
        station.run(ingest)
    closed = "none"
    counts = station.run(ingest)
    assert (counts.submitted, counts.unreadable) == (1, 0)


def test_a_source_around_anothers_store_meets_nothing_of_it(file_depot: Depot, open_station: Any) -> None:
    closed = IngestStore(url=f"{file_depot.url}/hers", owners=["alice"], write=True)
    station = open_station(calls=file_depot.allowed(), hers=closed)
    for name in ("a.wav", "hers/b.wav"):
        file_depot.put(name)
    Path(f"/{file_depot.key('link.wav')}").symlink_to(f"/{file_depot.key('hers/b.wav')}")
    file_depot.put("list.csv", b"key\na.wav\nhers/b.wav\nlink.wav\n")
    assert station.run(station.ingest(file_depot)) == Counts(listed=2, matched=2, submitted=2)
    named = station.ingest(file_depot, mode="manifest", manifest=f"{file_depot.url}/list.csv")
    assert station.run(named) == Counts(listed=1, matched=1, known=1, refused=2)


def test_a_failed_job_whose_time_is_over_is_given_up(file_depot: Depot, open_station: Any) -> None:
    station = open_station(calls=file_depot.allowed())
    file_depot.put("a.wav")
    ingest = station.ingest(file_depot, request={"provider": "fake", "expires_in": 1e-6})
    station.run(ingest)
    station.fail(station.objects(ingest)["a.wav"])
    counts = station.run(ingest)
    row = station.objects(ingest)["a.wav"]
    assert (counts.quarantined, row.status, row.error_code) == (1, ObjectStatus.QUARANTINED, "invalid_audio")


def test_a_file_that_is_still_written_waits_for_the_next_run(file_depot: Depot, open_station: Any) -> None:
    station = open_station(calls=file_depot.allowed())
    Path(f"/{file_depot.key('a.wav')}").write_bytes(b"half of")
    file_depot.put("b.wav")
    ingest = station.ingest(file_depot, overlap=0)
    assert station.run(ingest).submitted == 1
    os.utime(f"/{file_depot.key('a.wav')}", (1000, 1000))
    assert station.run(ingest).submitted == 1


def test_hostile_names_stop_nobody(file_depot: Depot, open_station: Any) -> None:
    folder = Path(f"/{file_depot.place.key}")
    names = ["new\nline.wav", "ünï 😀.wav", "x" * 255, "-rf.wav", "#?%20.wav", "..wav"]
    for name in names:
        (folder / name).write_bytes(b"audio")
    (folder / b"\xff.wav".decode("utf-8", "surrogateescape")).write_bytes(b"audio")
    for path in folder.iterdir():
        os.utime(path, (1000, 1000))
    station = open_station(calls=file_depot.allowed())
    ingest = station.ingest(file_depot, results={"to": "next_to_source"}, tries=1)
    counts = station.run(ingest)
    assert (counts.submitted, counts.refused) == (5, 2)
    refused = [row for row in station.objects(ingest).values() if row.status is ObjectStatus.QUARANTINED]
    assert [row.error_code for row in refused] == ["name_refused"] * 2
    for row in station.objects(ingest).values():
        if row.job_id is not None:
            station.runtime.wait(complete(station.store, row.job_id))
    counts = station.run(ingest)
    assert (counts.done, counts.quarantined, counts.known) == (4, 1, 7)
    assert "too long" in (station.objects(ingest)["x" * 255].error or "")


def test_climbing_keys_of_a_bucket_are_quarantined(s3_depot: Depot, open_station: Any) -> None:
    system = s3_depot.shelf.files  # type: ignore[attr-defined]
    for key in ("in/a/../../escape.wav", "in/b//c.wav", "in/" + "y" * 1000 + ".wav", "in/what?.wav"):
        system.call_s3("put_object", Bucket=s3_depot.place.bucket, Key=key, Body=b"audio")
    station = open_station(calls=s3_depot.allowed())
    ingest = station.ingest(s3_depot)
    counts = station.run(ingest)
    assert counts.refused >= 2
    assert counts.refused + counts.submitted == counts.listed
    assert all(".." not in url for url in [row.url for row in station.objects(ingest).values() if row.job_id])


@pytest.mark.parametrize("name", ["list.jsonl", "list.csv"])
def test_a_manifest_names_what_is_taken(s3_depot: Depot, open_station: Any, name: str) -> None:
    station = open_station(calls=s3_depot.allowed())
    for wanted in ("a.wav", "b c.wav", "unnamed.wav"):
        s3_depot.put(wanted)
    lines = {
        "list.jsonl": '{"key": "a.wav"}\n"b c.wav"\n{"key": "none.wav"}\n{"key": "../x"}\nnonsense\n',
        "list.csv": 'size,key\n1,a.wav\n2,"b c.wav"\n3,none.wav\n4,../x\n5\n',
    }
    s3_depot.put(name, lines[name].encode())
    ingest = station.ingest(s3_depot, mode="manifest", manifest=f"{s3_depot.url}/{name}")
    assert station.run(ingest) == Counts(listed=2, matched=2, submitted=2, missing=1, refused=2)
    s3_depot.put("none.wav")
    assert station.run(ingest).submitted == 1


def test_moving_twice_and_the_same_bytes_again(s3_depot: Depot, open_station: Any) -> None:
    base = s3_depot.url.removesuffix("/in")
    there = Depot(base, s3_depot.options)
    station = open_station(calls=IngestStore(url=base, options=s3_depot.options, write=True))
    s3_depot.put("a.wav")
    ingest = station.ingest(s3_depot, when_done={"action": "move", "to": f"{base}/old"})
    station.run(ingest)
    station.complete(ingest)
    source = station.source(ingest)
    found = station.objects(ingest)["a.wav"]
    settle_ended(source, try_failed_again=False)
    s3_depot.put("a.wav")
    station.run(ingest)
    counts = station.run(ingest)
    assert (counts.moved, station.jobs(), there.names()) == (1, 1, ["old/a.wav"])
    assert found.status is ObjectStatus.SUBMITTED


def test_a_store_that_is_away_is_waited_for(s3_depot: Depot, open_station: Any) -> None:
    away = {**s3_depot.options, "endpoint_url": "http://127.0.0.1:1", "config_kwargs": {"retries": {"max_attempts": 0}}}
    out = IngestStore(url="s3://elsewhere", options=away, write=True)
    station = open_station(calls=s3_depot.allowed(), out=out)
    s3_depot.put("a.wav")
    ingest = station.ingest(s3_depot, results={"to": "s3://elsewhere/out"}, tries=1)
    station.run(ingest)
    station.complete(ingest)
    for _ in range(2):
        assert station.run(ingest).postponed == 1
    row = station.objects(ingest)["a.wav"]
    assert (row.status, row.write_tries, row.error_code) == (ObjectStatus.SUBMITTED, 0, "download_failed")


def test_what_the_operator_takes_away_is_refused_from_then_on(file_depot: Depot, open_station: Any) -> None:
    station = open_station(calls=file_depot.allowed())
    ingest = station.ingest(file_depot)
    object.__setattr__(station.runtime, "settings", station.runtime.settings.model_copy(update={"ingest_stores": {}}))
    with pytest.raises(UrlRefused):
        station.run(ingest)


def test_a_process_that_leaves_leaves_soon(file_depot: Depot, open_station: Any) -> None:
    station = open_station(calls=file_depot.allowed())
    file_depot.put("a.wav")
    ingest = station.ingest(file_depot)
    with pytest.raises(LeavingSource):
        submit_new(Source(station.runtime, ingest, lambda: True))
    assert station.jobs() == 0


def test_two_thousand_objects_are_gone_through_in_bounded_memory(s3_depot: Depot, open_station: Any) -> None:
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    behind = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]  # by HTTP it would take half a minute
    for number in range(2000):
        behind.put_object(s3_depot.place.bucket, f"in/{number:05}.wav", b"x")
    station = open_station(calls=s3_depot.allowed())
    ingest = station.ingest(s3_depot, pattern="*00.wav")
    sizes = []
    for page in s3_depot.shelf.pages("in", 500):
        sizes.append(len(page))
        assert sum(isinstance(thing, Listed) for thing in gc.get_objects()) <= 2 * 500
    assert sizes == [500] * 4
    assert station.run(ingest).submitted == 20


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": "s3://others/in"}, "url"),
        ({"url": "file:///etc"}, "url"),
        ({"results": {"to": "s3://others/out"}}, "results.to"),
        ({"results": {"formats": ["docx"]}}, "results.formats"),
        ({"when_done": {"action": "move", "to": "{url}/old"}}, "when_done.to"),
        ({"when_done": {"action": "tag"}}, "when_done.action"),
        ({"store": "other"}, "store"),
        ({"mode": "manifest", "manifest": "file:///etc/passwd"}, "manifest"),
        ({"request": {"provider": "none"}}, "request.provider"),
        ({"request": {"provider": "fake", "redact": ["names"]}}, "request.redact"),
        ({"request": {"provider": "fake", "output_formats": ["docx"]}}, "request.output_formats"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(
    file_depot: Depot, open_station: Any, changes: dict[str, Any], field: str
) -> None:
    station = open_station(calls=file_depot.allowed())
    filled = json.loads(json.dumps(changes).replace("{url}", file_depot.url))
    with pytest.raises(SpeechError) as caught:
        station.ingest(file_depot, **filled)
    assert caught.value.field == field  # type: ignore[attr-defined]
