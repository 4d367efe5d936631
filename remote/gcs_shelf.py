"""Buckets of Google Cloud Storage. A version is a generation: every write makes one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import quote

from remote.bucket_shelf import BucketShelf, below, is_folder
from remote.shelf import PAGE, Listed


class GcsShelf(BucketShelf):
    """One bucket, through gcsfs."""

    scheme: ClassVar[str] = "gs"

    def pages(self, folder: str, size: int = PAGE) -> Iterator[list[Listed]]:
        """Objects: list, one request a page."""
        more: dict[str, Any] = {}
        while True:
            with self._errors(folder):
                page = self.files.call(
                    "GET", f"b/{self.bucket}/o", prefix=below(folder), maxResults=size, json_out=True, **more
                )
            yield [_listed(each) for each in page.get("items", ()) if not is_folder(each["name"])]
            if not page.get("nextPageToken"):
                return
            more = {"pageToken": page["nextPageToken"]}

    def look(self, key: str) -> Listed:
        """Objects: get."""
        with self._errors(key):
            return _listed(self.files.call("GET", f"b/{self.bucket}/o/{quote(key, safe='')}", json_out=True))


def _listed(given: dict[str, Any]) -> Listed:
    return Listed(given["name"], str(given["generation"]), int(given["size"]), datetime.fromisoformat(given["updated"]))
