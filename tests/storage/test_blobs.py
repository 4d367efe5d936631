"""Blobs in a folder and in a bucket: atomic, private, nothing outside."""

from __future__ import annotations

import errno
import io
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from speech.clock import now
from speech.errors import StorageFull
from storage.blobs import BlobKeyRefused, Blobs, BlobsUnusable
from storage.errors import BlobMissing

PART = 16 * 1024 * 1024


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """A moto server that speaks S3."""
    from moto.server import ThreadedMotoServer

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def s3_options(s3_url: str) -> dict[str, object]:
    return {
        "endpoint_url": s3_url,
        "key": "test",
        "secret": "test",
    }


@pytest.fixture(params=["folder", "bucket"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    """Blobs in both kinds of places."""
    if request.param == "folder":
        return Blobs(str(tmp_path / "blobs"))
    options = request.getfixturevalue("s3_options")
    name = f"woa-{tmp_path.name.lower().replace('_', '-')[-40:]}"
    import s3fs

    s3fs.S3FileSystem(**options).call_s3("create_bucket", Bucket=name)
    return Blobs(f"s3://{name}/some/prefix", options)


def _write_and_fail(blobs: Blobs, key: str, *parts: bytes) -> None:
    with blobs.writer(key) as target:
        for part in parts:
            target.write(part)
        raise RuntimeError


def test_what_is_written_is_read(blobs: Blobs, tmp_path: Path) -> None:
    blobs.write("owners/a/one", b"first")
    blobs.write("owners/a/one", b"second")
    assert blobs.read("owners/a/one") == b"second"
    assert (blobs.exists("owners/a/one"), blobs.size("owners/a/one")) == (True, 6)
    blobs.get("owners/a/one", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"second"
    (tmp_path / "copy").write_bytes(b"third")
    blobs.put(tmp_path / "copy", "owners/a/two")
    with blobs.open("owners/a/two") as source:
        source.seek(2)
        assert source.read() == b"ird"


def test_an_empty_blob(blobs: Blobs) -> None:
    blobs.write("empty", b"")
    assert (blobs.exists("empty"), blobs.size("empty"), blobs.read("empty")) == (True, 0, b"")


def test_missing_blobs(blobs: Blobs, tmp_path: Path) -> None:
    blobs.write("owners/a/one", b"x")
    for key in ("nothing", "owners/a", "owners/a/one/below"):
        for call in (blobs.read, blobs.open, blobs.size, lambda key: blobs.get(key, tmp_path / "copy")):
            with pytest.raises(BlobMissing) as caught:
                call(key)
            assert caught.value.code == "blob_missing"
        assert not blobs.exists(key)
        blobs.delete(key)
    assert blobs.exists("owners/a/one")
    assert not (tmp_path / "copy").exists()
    assert "nothing" in str(BlobMissing("There is no blob nothing."))


def test_a_failing_block_writes_nothing(blobs: Blobs) -> None:
    blobs.write("kept", b"old")
    for key in ("kept", "new"):
        with pytest.raises(RuntimeError):
            _write_and_fail(blobs, key, b"half")
    assert blobs.read("kept") == b"old"
    assert blobs.keys() == ["kept"]


def test_a_failing_block_of_many_parts_writes_nothing(blobs: Blobs) -> None:
    with pytest.raises(RuntimeError):
        _write_and_fail(blobs, "new", b"x" * PART, b"x" * PART)
    assert blobs.keys() == []


@pytest.mark.parametrize("size", [4, 2 * PART + 4])
def test_a_failing_upload_leaves_no_parts_in_the_bucket(blobs: Blobs, s3_options: dict[str, object], size: int) -> None:
    import s3fs

    with pytest.raises(RuntimeError):
        _write_and_fail(blobs, "new", b"x" * size)
    if not blobs.url.startswith("s3://"):
        assert list(Path(blobs.url).rglob("*")) == []
        return
    bucket = blobs.url.split("/")[2]
    answer = s3fs.S3FileSystem(**s3_options).call_s3("list_multipart_uploads", Bucket=bucket)
    assert answer.get("Uploads", []) == []


def test_many_parts(blobs: Blobs, tmp_path: Path) -> None:
    block = bytes(range(256)) * 4096
    with blobs.writer("long") as target:
        for _ in range(20):
            target.write(block)
        assert not blobs.exists("long")
    assert blobs.size("long") == 20 * len(block)
    blobs.get("long", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == block * 20


def test_folders_are_listed_and_deleted_by_whole_names(blobs: Blobs) -> None:
    for key in ("owners/a/x/1", "owners/a/x/y/2", "owners/a/xz", "owners/ab/3"):
        blobs.write(key, b"1")
    assert blobs.keys("owners/a") == ["owners/a/x/1", "owners/a/x/y/2", "owners/a/xz"]
    assert blobs.keys("owners/nobody") == []
    assert blobs.delete_prefix("owners/a/x/") == 2
    assert blobs.delete_prefix("owners/a/x") == 0
    assert blobs.keys() == ["owners/a/xz", "owners/ab/3"]
    blobs.delete("owners/a/xz")
    assert blobs.keys() == ["owners/ab/3"]


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../b",
        "a/..",
        "..",
        ".",
        "a//b",
        "a/",
        "a\\b",
        "a\0b",
        "a b",
        "ä",
        ".hidden",
        "a/.b",
        "x" * 901,
        "a\n",
    ],
)
def test_names_that_lead_elsewhere_are_refused(blobs: Blobs, key: str, tmp_path: Path) -> None:
    calls = [blobs.read, blobs.open, blobs.writer, blobs.exists, blobs.size, blobs.delete, blobs.local_path]
    calls += [lambda key: blobs.get(key, tmp_path / "x"), lambda key: blobs.put(tmp_path / "x", key)]
    for call in calls:
        with pytest.raises(BlobKeyRefused):
            call(key)
    if key not in ("", "a/"):
        with pytest.raises(BlobKeyRefused):
            blobs.delete_prefix(key)
    with pytest.raises(BlobKeyRefused):
        blobs.delete_prefix("")


def test_check(blobs: Blobs) -> None:
    blobs.check()
    assert blobs.keys() == []


def test_local_path(tmp_path: Path, s3_options: dict[str, object]) -> None:
    local = Blobs(str(tmp_path))
    local.write("a/b", b"x")
    path = local.local_path("a/b")
    assert path is not None
    assert path.read_bytes() == b"x"
    assert local.local_path("a") is None
    assert Blobs("s3://bucket", s3_options).local_path("a/b") is None


def test_only_the_owner_reads_local_blobs(tmp_path: Path) -> None:
    blobs = Blobs(f"file://{tmp_path}/blobs")
    blobs.write("owners/a/one", b"x")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "blobs").rglob("*")}
    assert modes == {"owners": 0o700, "a": 0o700, "one": 0o600}
    assert stat.S_IMODE((tmp_path / "blobs").stat().st_mode) == 0o700


def test_empty_folders_go_with_their_last_blob(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path / "blobs"))
    blobs.write("owners/a/x/1", b"1")
    blobs.delete("owners/a/x/1")
    assert list((tmp_path / "blobs").iterdir()) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_says_so_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    blobs = Blobs(str(tmp_path / "blobs"))

    def full(_descriptor: int) -> None:
        raise OSError(code, "no room")

    monkeypatch.setattr("storage.local_blobs.os.fsync", full)
    with pytest.raises(StorageFull), blobs.writer("a") as target:
        target.write(b"x")
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []


def test_a_really_full_disk(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    from storage.local_blobs import _Refusing

    with io.FileIO(full, "wb") as target, pytest.raises(StorageFull):
        _Refusing(target).write(b"x")  # type: ignore[arg-type]


def test_other_faults_of_the_disk_are_not_called_full(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path / "blobs"))
    with pytest.raises(OSError, match="odd"), blobs.writer("a"):
        raise OSError(errno.EINVAL, "odd")


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.ESTALE])
def test_a_disk_that_fails_is_unusable(tmp_path: Path, number: int) -> None:
    blobs = Blobs(str(tmp_path / "blobs"))
    with pytest.raises(BlobsUnusable, match="WOA_BLOB_URL"), blobs.writer("a"):
        raise OSError(number, "broken")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BlobsUnusable):
        Blobs(str(tmp_path / "file" / "blobs")).check()


def test_a_bucket_that_does_not_exist(s3_options: dict[str, object]) -> None:
    with pytest.raises(BlobsUnusable):
        Blobs("s3://nobody-has-this-bucket", s3_options).check()


def test_a_bucket_that_is_away_may_come_back(tmp_path: Path) -> None:
    """Nothing listens on port 1. Every call says so in the same way, and that another try may help."""
    options = {"endpoint_url": "http://127.0.0.1:1", "key": "x", "secret": "x"}
    blobs = Blobs("s3://bucket/x", options | {"config_kwargs": {"retries": {"max_attempts": 0}}})
    (tmp_path / "file").write_bytes(b"x")
    calls: list[Callable[[], object]] = [
        lambda: blobs.write("a", b"x"),
        lambda: blobs.put(tmp_path / "file", "a"),
        lambda: blobs.get("a", tmp_path / "copy"),
        lambda: blobs.read("a"),
        lambda: blobs.delete("a"),
        lambda: blobs.delete_prefix("a"),
        blobs.keys,
        blobs.check,
    ]
    for call in calls:
        with pytest.raises(BlobsUnusable) as caught:
            call()
        assert caught.value.retryable
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_bucket_that_goes_away_while_it_is_read(s3_options: dict[str, object], tmp_path: Path) -> None:
    import s3fs

    s3fs.S3FileSystem(**s3_options).call_s3("create_bucket", Bucket="going")
    blobs = Blobs("s3://going", s3_options)
    blobs.write("a", b"x")
    with blobs.open("a") as source:
        source.raw._source._fetch_range = _gone  # type: ignore[attr-defined]
        source.raw._source.cache.fetcher = _gone  # type: ignore[attr-defined]
        with pytest.raises(BlobsUnusable):
            source.read()


def _gone(*_: object) -> bytes:
    raise ConnectionResetError


def test_a_bucket_that_takes_no_more_is_full_for_good() -> None:
    from storage.bucket_blobs import _answering

    for error in (OSError(errno.EIO, "QuotaExceeded"), OSError(errno.ENOSPC, "no room")):
        with pytest.raises(StorageFull) as caught, _answering():
            raise error
        assert not caught.value.retryable
    with pytest.raises(PermissionError), _answering():
        raise PermissionError


def test_unknown_kinds_of_places() -> None:
    with pytest.raises(BlobsUnusable):
        Blobs("ftp://host/blobs")


def test_readers_see_old_or_new_but_never_half(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path / "blobs"))
    versions = [bytes([number]) * 200_000 for number in range(8)]
    blobs.write("a/b", versions[0])
    torn: list[int] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            data = blobs.read("a/b")
            if len(set(data)) != 1 or len(data) != 200_000:
                torn.append(len(data))

    reader = threading.Thread(target=read)
    reader.start()
    for version in versions:
        blobs.write("a/b", version)
    stop.set()
    reader.join()
    assert torn == []


def test_a_listing_says_size_and_time(blobs: Blobs) -> None:
    assert list(blobs.entries("owners")) == []
    for index in range(5):
        blobs.write(f"owners/a/{index}/x", b"1" * index)
    blobs.write("other", b"1")
    found = {entry.key: entry.size for entry in blobs.entries("owners")}
    assert found == {f"owners/a/{index}/x": index for index in range(5)}
    assert all(abs((entry.written_at - now()).total_seconds()) < 60 for entry in blobs.entries())
    assert blobs.sweep(now()) == (0, 0)


def test_a_listing_goes_on_page_by_page(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.bucket_blobs._LISTED", 2)
    for index in range(5):
        blobs.write(f"owners/a/{index}", b"1")
    assert len(list(blobs.entries("owners/a"))) == 5
