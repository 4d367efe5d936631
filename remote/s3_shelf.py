"""Buckets of S3 and of whatever speaks S3. A version is an ETag: the same bytes put again are no new version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from remote.bucket_shelf import BucketShelf, below, is_folder
from remote.shelf import PAGE, Listed


class S3Shelf(BucketShelf):
    """One bucket, through s3fs."""

    scheme: ClassVar[str] = "s3"

    def pages(self, folder: str, size: int = PAGE) -> Iterator[list[Listed]]:
        """ListObjectsV2, one request a page."""
        more: dict[str, str] = {}
        while True:
            with self._errors(folder):
                page = self.files.call_s3(
                    "list_objects_v2", Bucket=self.bucket, Prefix=below(folder), MaxKeys=size, **more
                )
            yield [
                Listed(each["Key"], each["ETag"].strip('"'), each["Size"], each["LastModified"])
                for each in page.get("Contents", ())
                if not is_folder(each["Key"])
            ]
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def look(self, key: str) -> Listed:
        """HeadObject."""
        with self._errors(key):
            found = self.files.call_s3("head_object", Bucket=self.bucket, Key=key)
        return Listed(key, found["ETag"].strip('"'), found["ContentLength"], found["LastModified"])

    def tag(self, key: str, name: str, value: str) -> None:
        """Merged into the tags that the object has."""
        with self._errors(key):
            self.files.put_tags(self._path(key), {name: value}, mode="m")
