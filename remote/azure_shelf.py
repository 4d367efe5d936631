"""Containers of Azure Blob Storage. A version is an ETag: every write makes one."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from remote.bucket_shelf import BucketShelf, below, is_folder
from remote.shelf import PAGE, Listed
from speech.errors import DownloadFailed, UrlNotFound

_COPY_SECONDS = 600.0
_LOOK_SECONDS = 0.5


class AzureShelf(BucketShelf):
    """One container, through adlfs, and its SDK where adlfs has no pages."""

    scheme: ClassVar[str] = "az"

    def pages(self, folder: str, size: int = PAGE) -> Iterator[list[Listed]]:
        """List Blobs, one request a page."""
        container = self.files.service_client.get_container_client(self.bucket)
        given = container.list_blobs(name_starts_with=below(folder), results_per_page=size).by_page()
        while True:
            with self._errors(folder), _missing_is_missing():
                page = self._run(_next_page(given))
            if page is None:
                return
            yield [_listed(each) for each in page if not is_folder(each.name)]

    def look(self, key: str) -> Listed:
        """Get Blob Properties."""
        with self._errors(key), _missing_is_missing():
            return _listed(self._run(self._client(key).get_blob_properties()))

    def tag(self, key: str, name: str, value: str) -> None:
        """Merged into the tags that the blob has."""
        with self._errors(key), _missing_is_missing():
            client = self._client(key)
            present = self._run(client.get_blob_tags()) or {}
            self._run(client.set_blob_tags({**present, name: value}))

    def _copy(self, found: Listed, target: str) -> None:
        super()._copy(found, target)
        bucket, _, key = target.partition("/")
        copied = self.files.service_client.get_blob_client(container=bucket, blob=key)
        deadline = time.monotonic() + _COPY_SECONDS
        # A copy may go on behind our back; the source stays until it is complete.
        while (status := self._run(copied.get_blob_properties()).copy.status) == "pending":
            if time.monotonic() > deadline:
                break
            time.sleep(_LOOK_SECONDS)
        if status not in (None, "success"):
            raise DownloadFailed(f"Azure did not complete the copy of a blob ({status}); it may work later.")

    def _client(self, key: str) -> Any:
        return self.files.service_client.get_blob_client(container=self.bucket, blob=key)

    def _run(self, work: Any) -> Any:
        from fsspec.asyn import sync

        async def ask() -> Any:
            return await work

        return sync(self.files.loop, ask)


async def _next_page(pages: AsyncIterator[Any]) -> list[Any] | None:
    try:
        page = await anext(pages)
    except StopAsyncIteration:
        return None
    return [each async for each in page]


@contextmanager
def _missing_is_missing() -> Iterator[None]:
    """A blob or container that is not there is as final as with every other store."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        yield
    except ResourceNotFoundError as error:
        raise UrlNotFound("There is no such blob or container.") from error


def _listed(given: Any) -> Listed:
    return Listed(given.name, str(given.etag).strip('"'), int(given.size), given.last_modified)
