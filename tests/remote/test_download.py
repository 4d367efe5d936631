from __future__ import annotations

import errno
import gzip
import hashlib
import itertools
import os
import pickle
import socket
import ssl
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from remote.buckets import BucketUrl
from remote.download import Downloaded, download
from remote.guard import UrlRules
from speech.errors import (
    DownloadFailed,
    FileTooLarge,
    JobCancelled,
    SpeechError,
    StorageFull,
    UrlNotFound,
    UrlRefused,
)
from tests.remote.conftest import HOST, Site, answer

BODY = b"RIFF" + bytes(range(256)) * 64


class Names:
    """A name service of the test's own: the answers to each question, in turn; the last one stays."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        turns = self.answers.get(host.split(".")[0])
        if not turns:
            raise OSError("no such name")
        return turns.pop(0) if len(turns) > 1 else turns[0]


@pytest.fixture
def fetch(tmp_path: Path, rules: UrlRules, tls: ssl.SSLContext) -> Callable[..., Downloaded]:
    def fetched(url: str, **changes: Any) -> Downloaded:
        values: dict[str, Any] = {
            "max_bytes": 1 << 20,
            "timeout": 20,
            "resolver": Names(media=[["127.0.0.1"]]),
            "tls": tls,
        }
        values |= changes
        return download(url, tmp_path / "in" / "audio", values.pop("rules", rules), **values)

    return fetched


@pytest.fixture
def left(tmp_path: Path) -> Callable[[], list[str]]:
    """What lies in the target's folder."""
    return lambda: sorted(path.name for path in (tmp_path / "in").glob("*"))


def test_a_file_comes_whole(site: Site, fetch: Callable[..., Downloaded], tmp_path: Path, left: Any) -> None:
    url = site.serves("/calls/morning%20call.wav?token=1", BODY, Content_Type="Audio/WAV; charset=x")
    got = fetch(url)
    assert got == Downloaded("morning call.wav", "audio/wav", len(BODY), hashlib.sha256(BODY).hexdigest())
    assert (tmp_path / "in" / "audio").read_bytes() == BODY
    assert left() == ["audio"]
    assert site.headers[0]["Host"] == f"{HOST}:{site.port}"
    assert site.headers[0]["Accept-Encoding"] == "identity"


def test_over_tls_the_name_is_verified_though_the_address_is_pinned(
    secure: Site, fetch: Callable[..., Downloaded]
) -> None:
    assert fetch(secure.serves("/a.wav", BODY)).size_bytes == len(BODY)
    secure.serves("/a.wav", BODY)
    with pytest.raises(DownloadFailed, match="certificate"):
        fetch(secure.url("/a.wav", "other.example"), resolver=Names(other=[["127.0.0.1"]]))
    with pytest.raises(DownloadFailed, match="certificate"):
        fetch(secure.url("/a.wav"), tls=None)


def test_no_proxy_of_the_environment_is_used(
    site: Site, fetch: Callable[..., Downloaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert fetch(site.serves("/a.wav", BODY)).size_bytes == len(BODY)


def test_the_server_names_the_file(site: Site, fetch: Callable[..., Downloaded]) -> None:
    url = site.serves("/download", BODY, Content_Disposition='attachment; filename="../../evil.wav"')
    assert fetch(url).filename == "evil.wav"
    assert fetch(site.serves("/", BODY)).filename == "audio"


def test_a_name_is_asked_once_and_cannot_change_its_mind(site: Site, fetch: Callable[..., Downloaded]) -> None:
    names = Names(media=[["127.0.0.1"], ["169.254.169.254"]])
    assert fetch(site.serves("/a.wav", BODY), resolver=names).size_bytes == len(BODY)
    assert names.asked == [HOST]


def test_the_system_is_never_asked_for_the_name_again(
    site: Site, fetch: Callable[..., Downloaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts: list[object] = []
    real = socket.getaddrinfo

    def noted(host: Any, *rest: Any, **more: Any) -> Any:
        hosts.append(host)
        return real(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", noted)
    fetch(site.serves("/a.wav", BODY))
    assert set(hosts) <= {"127.0.0.1"}


def test_one_bad_address_among_good_ones_is_enough(site: Site, fetch: Callable[..., Downloaded]) -> None:
    with pytest.raises(UrlRefused):
        fetch(site.serves("/a.wav", BODY), resolver=Names(media=[["127.0.0.1", "10.0.0.1"]]))
    assert site.asked == []


def test_the_next_address_is_tried(site: Site, fetch: Callable[..., Downloaded], rules: UrlRules) -> None:
    names = Names(media=[["::ffff:127.0.0.1", "127.0.0.1"]])
    assert fetch(site.serves("/a.wav", BODY), resolver=names).size_bytes == len(BODY)


def test_redirects_are_followed_by_any_name(site: Site, fetch: Callable[..., Downloaded]) -> None:
    site.serves("/end/b.wav", BODY)
    site.redirects("/two", "end/b.wav", 307)
    url = site.redirects("/one.mp3", "//other.example:" + str(site.port) + "/two", 301)
    names = Names(media=[["127.0.0.1"]], other=[["127.0.0.1"]])
    assert fetch(url, resolver=names).filename == "one.mp3"
    assert names.asked == [HOST, "other.example", "other.example"]
    assert site.asked == ["/one.mp3", "/two", "/end/b.wav"]


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/",
        "http://2852039166/",
        "http://metadata.google.internal/",
        "http://127.0.0.2/",
        "file:///etc/passwd",
        "gopher://x/",
        "s3://bucket/key",
        "http://user:secret@media.example/",
        "http://media.example:port/",
        "http://[x/",
    ],
)
def test_redirects_are_checked_like_the_first_url(location: str, site: Site, fetch: Any, left: Any) -> None:
    with pytest.raises(UrlRefused) as refused:
        fetch(site.redirects("/a.wav", location))
    assert "secret" not in refused.value.message
    assert site.asked == ["/a.wav"]
    assert left() == []


def test_a_redirect_to_a_name_of_a_private_address_is_refused(site: Site, fetch: Callable[..., Downloaded]) -> None:
    names = Names(media=[["127.0.0.1"]], inner=[["10.0.0.1"]])
    with pytest.raises(UrlRefused):
        fetch(site.redirects("/a.wav", "http://inner.example/"), resolver=names)


def test_redirects_end(site: Site, fetch: Callable[..., Downloaded]) -> None:
    with pytest.raises(UrlRefused, match="more than 5"):
        fetch(site.redirects("/loop", "/loop"))
    assert len(site.asked) == 6
    with pytest.raises(UrlNotFound):
        fetch(site.redirects("/nowhere", ""))


def test_https_does_not_become_http(secure: Site, site: Site, fetch: Callable[..., Downloaded]) -> None:
    with pytest.raises(UrlRefused, match="https to http"):
        fetch(secure.redirects("/a.wav", site.serves("/a.wav", BODY)))
    assert site.asked == []
    assert fetch(site.redirects("/up.wav", secure.serves("/b.wav", BODY))).size_bytes == len(BODY)


def test_a_redirect_may_not_enter_a_bucket_that_is_allowed(site: Site, fetch: Callable[..., Downloaded]) -> None:
    rules = UrlRules(frozenset({"http"}), frozenset({HOST}), buckets=(BucketUrl("s3", "b", ""),))
    with pytest.raises(UrlRefused, match="bucket"):
        fetch(site.redirects("/a.wav", "s3://b/key"), rules=rules)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451, 206, 304])
def test_what_is_not_there_is_final(status: int, site: Site, fetch: Any, left: Any) -> None:
    with pytest.raises(UrlNotFound, match=str(status)) as error:
        fetch(site.serves("/secret/a.wav?secret", b"", status))
    assert "secret" not in error.value.message
    assert not error.value.retryable
    assert pickle.loads(pickle.dumps(error.value)).message == error.value.message
    assert left() == []


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_what_is_down_may_come_back(status: int, site: Site, fetch: Any, left: Any) -> None:
    with pytest.raises(DownloadFailed, match=str(status)) as error:
        fetch(site.serves("/secret/a.wav?secret", b"", status))
    assert "secret" not in error.value.message
    assert error.value.retryable
    assert left() == []


def test_nobody_listens(fetch: Callable[..., Downloaded]) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(DownloadFailed, match="could not be reached"):
            fetch(f"http://{HOST}:{held.getsockname()[1]}/a?secret")


# Sizes


def test_too_large_by_its_own_word(site: Site, fetch: Any, left: Any) -> None:
    with pytest.raises(FileTooLarge, match="1000 bytes"):
        fetch(site.serves("/a.wav", b"x" * 1001), max_bytes=1000)
    assert fetch(site.serves("/a.wav", b"x" * 1000), max_bytes=1000).size_bytes == 1000
    assert left() == ["audio"]


def chunked(handler: BaseHTTPRequestHandler, blocks: Any, **headers: str) -> None:
    handler.send_response(200)
    for name, value in {"Transfer-Encoding": "chunked", **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    for block in blocks:
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
    handler.wfile.write(b"0\r\n\r\n")


def test_an_endless_body_ends_at_the_limit(site: Site, fetch: Any, left: Any) -> None:
    site.routes["/a"] = lambda handler: chunked(handler, itertools.repeat(b"x" * 65536))
    with pytest.raises(FileTooLarge):
        fetch(site.url("/a"), max_bytes=1 << 20)
    assert left() == []


def test_a_body_that_falls_short_of_its_length_fails(site: Site, fetch: Any, left: Any) -> None:
    site.routes["/a"] = lambda handler: answer(handler, 200, BODY, {"Content-Length": str(len(BODY) + 1)})
    with pytest.raises(DownloadFailed, match="broke off"):
        fetch(site.url("/a"))
    assert left() == []


def test_bytes_beyond_the_length_are_not_taken(site: Site, fetch: Callable[..., Downloaded]) -> None:
    site.routes["/a"] = lambda handler: answer(handler, 200, b"x" * 100, {"Content-Length": "10"})
    assert fetch(site.url("/a")).size_bytes == 10


def test_what_came_before_is_kept_when_the_next_download_fails(site: Site, fetch: Any, tmp_path: Path) -> None:
    fetch(site.serves("/a", BODY))
    with pytest.raises(UrlNotFound):
        fetch(site.serves("/a", b"", 404))
    assert (tmp_path / "in" / "audio").read_bytes() == BODY


# Encodings


def test_gzip_is_undone_though_it_was_not_asked_for(site: Site, fetch: Any, tmp_path: Path) -> None:
    packed = gzip.compress(BODY[:100]) + gzip.compress(BODY[100:])
    got = fetch(site.serves("/a.wav", packed, Content_Encoding="gzip"))
    assert got.sha256 == hashlib.sha256(BODY).hexdigest()
    assert fetch(site.serves("/empty", b"", Content_Encoding="gzip")).size_bytes == 0


def test_a_gzip_bomb_goes_off_at_the_limit(site: Site, fetch: Any, left: Any) -> None:
    bomb = gzip.compress(bytes(64 << 20))
    assert len(bomb) < 100_000
    with pytest.raises(FileTooLarge):
        fetch(site.serves("/a", bomb, Content_Encoding="gzip"), max_bytes=4 << 20)
    assert left() == []


@pytest.mark.parametrize("packed", [gzip.compress(BODY)[:-9], b"not gzip at all"])
def test_damaged_gzip_fails(packed: bytes, site: Site, fetch: Any, left: Any) -> None:
    with pytest.raises(DownloadFailed):
        fetch(site.serves("/a", packed, Content_Encoding="x-gzip"))
    assert left() == []


@pytest.mark.parametrize("coding", ["br", "zstd", "deflate", "gzip, gzip"])
def test_other_codings_are_refused(coding: str, site: Site, fetch: Any) -> None:
    with pytest.raises(UrlNotFound):
        fetch(site.serves("/a", BODY, Content_Encoding=coding))


# Time


def stalled(site: Site, begin: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(begin)
        handler.wfile.flush()
        site.over.wait(60)

    return reply


def dripping(site: Site, begin: bytes, drop: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(begin)
        while not site.over.wait(0.02):
            handler.wfile.write(drop)

    return reply


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nX-A: ", HEAD, HEAD + b"x" * 10])
def test_a_silent_server_is_left_when_the_time_is_spent(begin: bytes, site: Site, fetch: Any, left: Any) -> None:
    site.routes["/a"] = stalled(site, begin)
    with pytest.raises(DownloadFailed):
        fetch(site.url("/a?secret"), timeout=0.3)
    assert left() == []


@pytest.mark.parametrize("begin", [b"HTTP/1.1 200 OK\r\nX-A: ", HEAD])
def test_drops_do_not_buy_time(begin: bytes, site: Site, fetch: Any, left: Any) -> None:
    site.routes["/a"] = dripping(site, begin, b"x")
    with pytest.raises(DownloadFailed, match=r"longer than 0\.4 seconds"):
        fetch(site.url("/a"), timeout=0.4)
    assert left() == []


def test_time_is_spent_over_all_redirects(site: Site, fetch: Any) -> None:
    site.routes["/b"] = stalled(site, b"")
    with pytest.raises(DownloadFailed, match=r"longer than 0.3|in time"):
        fetch(site.redirects("/a", "/b"), timeout=0.3)


def test_tls_that_never_shakes_hands_is_left(fetch: Any) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(DownloadFailed):
            fetch(f"https://{HOST}:{silent.getsockname()[1]}/a", timeout=0.3)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_cancelling_is_noticed_while_nothing_comes(
    scheme: str, site: Site, secure: Site, fetch: Any, left: Any
) -> None:
    server = site if scheme == "http" else secure
    server.routes["/a"] = stalled(server, HEAD + b"x" * 10)
    asked = itertools.count()
    with pytest.raises(JobCancelled):
        fetch(server.url("/a"), timeout=60, cancelled=lambda: next(asked) > 6)
    assert left() == []


def test_slow_but_steady_arrives(secure: Site, fetch: Callable[..., Downloaded]) -> None:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
        for letter in (b"a", b"b", b"c"):
            secure.over.wait(0.6)  # longer than one poll of the reader
            handler.wfile.write(letter)

    secure.routes["/a"] = reply
    assert fetch(secure.url("/a")).sha256 == hashlib.sha256(b"abc").hexdigest()


# Servers that do not speak as they should


@pytest.mark.parametrize(
    "begin",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"x" * 2_000_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nxxxxxx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00" * 100,
    ],
)
def test_nonsense_is_an_error_and_no_file(begin: bytes, site: Site, fetch: Any, left: Any) -> None:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(begin)

    site.routes["/a"] = reply
    with pytest.raises(DownloadFailed):
        fetch(site.url("/a"))
    assert left() == []


def test_a_length_of_many_digits_is_too_large(site: Site, fetch: Any) -> None:
    site.routes["/a"] = lambda handler: answer(handler, 200, b"", {"Content-Length": "9" * 19})
    with pytest.raises(FileTooLarge):
        fetch(site.url("/a"))


# The disk


def test_a_full_disk_is_said_to_be_full(site: Site, fetch: Any, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "audio.part").symlink_to("/dev/full")
    with pytest.raises(StorageFull):
        fetch(site.serves("/a", BODY))
    assert not os.path.lexists(tmp_path / "in" / "audio.part")


def test_another_trouble_of_the_disk_passes_untouched(site: Site, fetch: Any, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"a file where the folder should be")
    with pytest.raises(OSError, match="exists") as error:
        fetch(site.serves("/a", BODY))
    assert error.value.errno in {errno.EEXIST, errno.ENOTDIR}
    assert not isinstance(error.value, SpeechError)
