"""Whether a source may be ingested from as somebody asks: found out before anything is stored."""

from __future__ import annotations

from dataclasses import dataclass

from providers.registry import Registry
from remote.buckets import BucketUrl, matches
from remote.stores import TAGGABLE, AllowedStore, AllowedStores, check_package, parse_place
from speech.errors import PlaceRefused, UnsupportedOption, UrlRefused
from speech.formats import UnknownFormat, resolve
from speech.ingestion import NEXT_TO_SOURCE, IngestOptions
from speech.options import not_offered_yet


def check_ingest(options: IngestOptions, owner_id: str, stores: AllowedStores, registry: Registry) -> None:
    """Refuse what this server cannot do, or may not do for this owner.

    Raises:
        PlaceRefused, UnsupportedOption: naming the field.
        UnknownProvider, ModelNotFound, PolicyRefused: what the provider or the policy refuses.

    """
    _check_places(options, _Door(stores, owner_id))
    _check_formats(options.results.formats, "results.formats")
    if options.request.output_formats != "all":
        _check_formats(options.request.output_formats, "request.output_formats")
    missing = not_offered_yet(options.request)
    if missing:
        raise UnsupportedOption(f"This server does not offer {', '.join(missing)} yet.", f"request.{missing[0]}")
    try:
        registry.check(options.request)
    except UnsupportedOption as error:
        field = f"request.{error.field}" if error.field else "request"
        raise type(error)(error.message, field) from None


@dataclass(frozen=True, slots=True)
class _Door:
    """Finds the stores of one owner, and says which field names a place that is refused."""

    stores: AllowedStores
    owner_id: str

    def place(self, url: str, field: str) -> BucketUrl:
        try:
            return parse_place(url)
        except UrlRefused as error:
            raise PlaceRefused(error.message, field) from None

    def store(self, place: BucketUrl, field: str, *, write: bool = False) -> AllowedStore:
        try:
            store = self.stores.of(place, self.owner_id, write=write)
            check_package(place.scheme)
        except UrlRefused as error:
            raise PlaceRefused(error.message, field) from None
        return store


def _check_places(options: IngestOptions, door: _Door) -> None:
    source = door.place(options.url, "url")
    store = door.store(source, "url")
    if options.store is not None and options.store != store.name:
        raise PlaceRefused(f"That place lies in the store {store.name}, not in {options.store}.", "store")
    if options.manifest is not None:
        door.store(door.place(options.manifest, "manifest"), "manifest")
    if options.results.to == NEXT_TO_SOURCE:
        door.store(source, "results.to", write=True)
    elif options.results.to is not None:
        door.store(door.place(options.results.to, "results.to"), "results.to", write=True)
    _check_end(options, source, store, door)


def _check_end(options: IngestOptions, source: BucketUrl, store: AllowedStore, door: _Door) -> None:
    if options.when_done.action == "tag":
        door.store(source, "when_done.action", write=True)
        if source.scheme not in TAGGABLE:
            raise UnsupportedOption("Only objects in S3 and Azure have tags.", "when_done.action")
    if options.when_done.to is None:
        return
    target = door.place(options.when_done.to, "when_done.to")
    door.store(source, "url", write=True)
    there = door.store(target, "when_done.to", write=True)
    if (target.scheme, dict(there.options)) != (source.scheme, dict(store.options)):
        raise PlaceRefused("A recording moves within one store, reached in one way.", "when_done.to")
    if source.scheme == "file" and there.name != store.name:
        raise PlaceRefused("A recording moves within one of the folders that the operator allows.", "when_done.to")
    if matches(target, source):
        raise PlaceRefused("What is moved there would be ingested again: name a place outside of url.", "when_done.to")


def _check_formats(wanted: list[str], field: str) -> None:
    try:
        resolve(wanted)
    except UnknownFormat as error:
        raise UnsupportedOption(error.message, field) from None
