from __future__ import annotations

import hashlib
import itertools
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.buckets import BucketUrl, matches, parse_bucket
from remote.download import Downloaded, download
from remote.guard import UrlRules
from speech.errors import DownloadFailed, FileTooLarge, JobCancelled, UrlNotFound, UrlRefused

BODY = bytes(range(256)) * 1000
KEYS = {"key": "test", "secret": "test"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A real S3 API on loopback, with one bucket."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    system = _system(url)
    system.mkdir("calls")
    system.pipe("calls/2026/a call.wav", BODY)
    system.pipe("calls/2025/a.wav", BODY)
    yield url
    server.stop()


def _system(url: str) -> Any:
    import s3fs

    return s3fs.S3FileSystem(endpoint_url=url, skip_instance_cache=True, **KEYS)


@pytest.fixture
def fetch(endpoint: str, tmp_path: Path) -> Callable[..., Downloaded]:
    rules = UrlRules(
        buckets=(parse_bucket("s3://calls/2026/"), parse_bucket("s3://absent"), parse_bucket("gs://calls")),
        bucket_options={"s3": {"endpoint_url": endpoint, **KEYS}},
    )

    def fetched(url: str, **changes: Any) -> Downloaded:
        values: dict[str, Any] = {"max_bytes": 1 << 20, "timeout": 60}
        return download(url, tmp_path / "in" / "audio", changes.pop("rules", rules), **(values | changes))

    return fetched


def test_an_object_comes_whole(fetch: Callable[..., Downloaded], tmp_path: Path) -> None:
    got = fetch("s3://calls/2026/a call.wav")
    assert got == Downloaded("a call.wav", None, len(BODY), hashlib.sha256(BODY).hexdigest())
    assert (tmp_path / "in" / "audio").read_bytes() == BODY


def test_limits_hold_for_objects(fetch: Callable[..., Downloaded], tmp_path: Path) -> None:
    with pytest.raises(FileTooLarge):
        fetch("s3://calls/2026/a call.wav", max_bytes=len(BODY) - 1)
    asked = itertools.count()
    with pytest.raises(JobCancelled):
        fetch("s3://calls/2026/a call.wav", cancelled=lambda: next(asked) >= 0)
    assert list((tmp_path / "in").glob("*")) == []


@pytest.mark.parametrize("url", ["s3://calls/2026/none.wav", "s3://absent/none.wav"])
def test_what_is_not_there_is_final(url: str, fetch: Callable[..., Downloaded]) -> None:
    with pytest.raises(UrlNotFound, match=r"none\.wav"):
        fetch(url)


def test_an_object_outside_of_the_prefix_is_not_read(fetch: Callable[..., Downloaded]) -> None:
    with pytest.raises(UrlRefused, match="url_allowed_buckets"):
        fetch("s3://calls/2025/a.wav")


def test_a_store_that_is_down_may_come_back(fetch: Callable[..., Downloaded]) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        options = {
            "endpoint_url": f"http://127.0.0.1:{held.getsockname()[1]}",
            "config_kwargs": {"retries": {"max_attempts": 0}},
        }
        rules = UrlRules(buckets=(parse_bucket("s3://calls"),), bucket_options={"s3": {**options, **KEYS}})
        with pytest.raises(DownloadFailed):
            fetch("s3://calls/2026/a.wav", rules=rules)


def test_a_scheme_without_its_package_says_which_is_missing(
    fetch: Callable[..., Downloaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    def missing(scheme: str, **options: Any) -> Any:
        raise ImportError(scheme)

    monkeypatch.setattr(fsspec, "filesystem", missing)
    with pytest.raises(UrlRefused, match="gcsfs"):
        fetch("gs://calls/a.wav")


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "memory://x/y", "s3:///key", "s3://-/key", "s3://b/a\\b", "s3://b//a"]
)
def test_what_is_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(UrlRefused):
        parse_bucket(url)


PARTS = st.lists(st.sampled_from(["a", "b", "ab", "a-b"]), min_size=1, max_size=4)


@given(PARTS, PARTS)
def test_a_prefix_ends_where_a_name_ends(key: list[str], prefix: list[str]) -> None:
    inside = key[: len(prefix)] == prefix
    for ending in ("", "/"):
        assert matches(BucketUrl("s3", "x", "/".join(key)), BucketUrl("s3", "x", "/".join(prefix) + ending)) == inside
