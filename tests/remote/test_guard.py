from __future__ import annotations

import ipaddress
import threading

import pytest

from remote.buckets import BucketUrl
from remote.guard import UrlRules, check, resolve
from remote.urls import WebUrl, parse_web
from speech.errors import DownloadFailed, UrlRefused
from speech.settings import Settings

DEFAULT = UrlRules()


def settings(**values: object) -> Settings:
    return Settings(_env_file=None, **values)  # type: ignore[arg-type, call-arg]


def answering(*addresses: str) -> object:
    return lambda host, port: list(addresses)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.mp3",
        "ftp://example.com/a.mp3",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "gopher://example.com/",
        "data:audio/wav;base64,xx",
        "//example.com/a",
        "example.com/a",
        "s3://bucket/key",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[2002:7f00:1::]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[fd00:ec2::254]/latest/",
        "https://metadata.google.internal/",
        "https://METADATA.google.internal./",
        "https://metadata/",
    ],
)
def test_by_default_only_public_https(url: str) -> None:
    with pytest.raises(UrlRefused):
        check(url, DEFAULT)


def test_public_https_is_allowed_on_any_port_without_asking_anybody() -> None:
    found = check("https://never-resolved.invalid:8443/a.mp3?t=1", DEFAULT)
    assert isinstance(found, WebUrl)
    assert found.port == 8443


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::1"], ["::ffff:192.168.0.1"], ["169.254.169.254"]]
)
def test_every_resolved_address_must_be_public(addresses: list[str]) -> None:
    with pytest.raises(UrlRefused, match=r"innocent\.example"):
        resolve(parse_web("https://innocent.example/?secret"), DEFAULT, lambda host, port: addresses)


def test_resolved_addresses_are_given_once_each() -> None:
    found = resolve(parse_web("https://a.example/"), DEFAULT, lambda host, port: ["8.8.8.8", "8.8.8.8", "2606:4700::1"])
    assert found == ("8.8.8.8", "2606:4700::1")


def test_a_literal_address_is_not_resolved() -> None:
    def never(host: str, port: int) -> list[str]:
        raise AssertionError(host)

    assert resolve(parse_web("https://8.8.8.8/"), DEFAULT, never) == ("8.8.8.8",)


def test_a_name_without_address_may_get_one_later() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(DownloadFailed):
        resolve(parse_web("https://a.example/"), DEFAULT, unknown)
    with pytest.raises(DownloadFailed):
        resolve(parse_web("https://a.example/"), DEFAULT, lambda host, port: [])


def test_a_resolver_that_hangs_is_not_waited_for() -> None:
    over = threading.Event()

    def hanging(host: str, port: int) -> list[str]:
        over.wait(60)
        return ["8.8.8.8"]

    with pytest.raises(DownloadFailed):
        resolve(parse_web("https://a.example/"), DEFAULT, hanging, seconds=0.05)
    over.set()


def test_the_operator_opens_hosts_and_networks() -> None:
    rules = UrlRules.from_settings(
        settings(url_schemes=["HTTPS", "http"], url_allowed_hosts=["MinIO.internal", "10.1.0.0/16", "[fd12::1]"])
    )
    check("http://10.1.2.3:9000/a", rules)
    check("https://[fd12::1]/a", rules)
    assert resolve(parse_web("http://minio.internal/a"), rules, lambda host, port: ["192.168.7.7"]) == ("192.168.7.7",)
    assert resolve(parse_web("http://other.example/a"), rules, lambda host, port: ["10.1.9.9"]) == ("10.1.9.9",)
    with pytest.raises(UrlRefused):
        check("http://10.2.0.1/a", rules)
    with pytest.raises(UrlRefused):
        resolve(parse_web("http://other.example/a"), rules, lambda host, port: ["192.168.7.7"])


def test_a_trusted_name_opens_no_metadata_address() -> None:
    rules = UrlRules(hosts=frozenset({"minio.internal"}))
    for address in ("169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254"):
        with pytest.raises(UrlRefused):
            resolve(parse_web("https://minio.internal/"), rules, lambda host, port, found=address: [found])
    open_wide = UrlRules(networks=(ipaddress.ip_network("169.254.0.0/16"),))
    assert check("https://169.254.169.254/", open_wide)


@pytest.mark.parametrize(
    "values",
    [
        {"url_schemes": ["https", "file"]},
        {"url_allowed_hosts": ["not a host"]},
        {"url_allowed_hosts": ["*.example.com"]},
        {"url_allowed_buckets": ["file:///"]},
        {"url_allowed_buckets": ["s3://bucket/../other"]},
    ],
)
def test_settings_that_mean_nothing_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(UrlRefused):
        UrlRules.from_settings(settings(**values))


def test_buckets_only_by_prefix() -> None:
    rules = UrlRules.from_settings(settings(url_allowed_buckets=["s3://calls/2026", "gs://all"]))
    assert check("s3://calls/2026/a.mp3", rules) == BucketUrl("s3", "calls", "2026/a.mp3")
    assert check("gs://all/x/y.mp3", rules) == BucketUrl("gs", "all", "x/y.mp3")
    refused = [
        "s3://calls/2026-secret/a.mp3",
        "s3://calls/2025/a.mp3",
        "s3://calls2/2026/a.mp3",
        "gs://calls/2026/a.mp3",
        "s3://all/x",
        "s3://calls/2026/../2025/a.mp3",
        "s3://calls/2026/./a.mp3",
        "s3://calls/2026//a.mp3",
        "s3://calls/2026/a.mp3?versionId=1",
        "s3://calls/2026/",
        "s3://calls",
        "s3://user@calls/2026/a.mp3",
        "az://all/x",
    ]
    for url in refused:
        with pytest.raises(UrlRefused):
            check(url, rules)


def test_blob_options_serve_buckets_of_the_same_scheme_only() -> None:
    rules = UrlRules.from_settings(settings(blob_url="s3://ours/x", blob_options={"key": "k", "secret": "s"}))
    assert rules.bucket_options == {"s3": {"key": "k", "secret": "s"}}
    assert "'s'" not in repr(rules)
    assert UrlRules.from_settings(settings(blob_options={"auto_mkdir": True})).bucket_options == {}


def test_refusals_name_no_secret() -> None:
    for url in ("ftp://u:hush@a.example/hush?hush", "https://u:hush@a.example/", "https://127.0.0.1/hush/x?hush"):
        with pytest.raises(UrlRefused) as refused:
            check(url, DEFAULT)
        assert "hush" not in refused.value.message
