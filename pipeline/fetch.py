"""From a URL, a bucket or an ingested object to a stored file; a file that was uploaded is there already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from audio.limits import Limits
from audio.probe import probe
from pipeline.observer import Observer
from pipeline.runtime import Runtime
from remote.download import Downloaded, bring, download
from remote.guard import UrlRules
from remote.stores import AllowedStores, open_shelf, place_of
from speech.jobs import StoredFile
from storage.ingest_objects import SCHEME


def fetch(runtime: Runtime, file: StoredFile, observer: Observer) -> StoredFile:
    """The file with its bytes in the blob store.

    Raises:
        UrlRefused: when this server may not fetch from there.
        DownloadFailed: when the other side fails; worth another try.
        FileTooLarge, InvalidAudio: when what comes is not acceptable.

    """
    if file.blob_key is not None or file.source_url is None:
        return file
    with runtime.spools.work() as folder:
        target = folder / "download"
        limits: dict[str, Any] = {
            "max_bytes": runtime.settings.max_upload_bytes,
            "timeout": runtime.settings.url_timeout,
        }
        if file.source_url.startswith(SCHEME):
            downloaded = _bring(runtime, file, target, **limits, cancelled=observer.cancelled)
        else:
            rules = UrlRules.from_settings(runtime.settings)
            downloaded = download(file.source_url, target, rules, **limits, cancelled=observer.cancelled)
        return _keep(runtime, file, target, downloaded)


def _bring(runtime: Runtime, file: StoredFile, target: Path, **limits: Any) -> Downloaded:
    """The object that an ingest met: where it lies is in its row, and who may read it in the settings."""
    object_id = (file.source_url or "").removeprefix(SCHEME)
    met = runtime.wait(runtime.store.ingest_objects.get(file.owner_id, object_id))
    place = place_of(met.url)
    store = AllowedStores.from_settings(runtime.settings).of(place, file.owner_id)
    return bring(open_shelf(store, place), place.key, met.version, target, **limits)


def _keep(runtime: Runtime, file: StoredFile, target: Path, downloaded: Downloaded) -> StoredFile:
    heard = probe(target, Limits.for_probing(runtime.settings))
    blob_key = f"owners/{file.owner_id}/files/{file.file_id}/audio"
    runtime.store.blobs.put(target, blob_key)
    known = runtime.store.files.fetched(
        file.file_id,
        blob_key=blob_key,
        filename=downloaded.filename,
        content_type=downloaded.content_type,
        size=downloaded.size_bytes,
        sha256=downloaded.sha256,
        duration=heard.duration,
        sample_rate=heard.sample_rate,
        channels=heard.channels,
    )
    runtime.wait(known)
    return runtime.wait(runtime.store.files.get(file.owner_id, file.file_id))
