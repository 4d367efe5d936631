from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.urls import parse_web, shown
from speech.errors import UrlRefused


@pytest.mark.parametrize(
    ("url", "host", "port", "target"),
    [
        ("https://example.com", "example.com", 443, "/"),
        ("HTTPS://EXAMPLE.com./a/b.mp3?x=1#y", "example.com", 443, "/a/b.mp3?x=1"),
        ("http://example.com:8080/é", "example.com", 8080, "/%C3%A9"),
        ("https://bücher.example/a%20b", "xn--bcher-kva.example", 443, "/a%20b"),
        ("https://[2606:4700:0:0::1111]:8443/x", "2606:4700::1111", 8443, "/x"),
        ("https://1.1.1.1/x", "1.1.1.1", 443, "/x"),
        ("https://my_bucket.example/x", "my_bucket.example", 443, "/x"),
    ],
)
def test_a_url_is_taken_apart(url: str, host: str, port: int, target: str) -> None:
    web = parse_web(url)
    assert (web.host, web.port, web.target) == (host, port, target)


def test_the_host_header_brackets_and_leaves_out_the_default_port() -> None:
    assert parse_web("https://[2606:4700::1]/").authority == "[2606:4700::1]"
    assert parse_web("https://example.com:444/").authority == "example.com:444"
    assert parse_web("http://example.com:80/").authority == "example.com"


@pytest.mark.parametrize(
    "url",
    [
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.0.1.0x/",
        "https://1.2.3.4.5/",
        "https://999.1.1.1/",
        "https://01.1.1.1/",
    ],
)
def test_addresses_have_one_spelling(url: str) -> None:
    with pytest.raises(UrlRefused):
        parse_web(url)


@pytest.mark.parametrize("url", ["https://１２７.０.０.１/", "https://127。0。0。1/"])
def test_wide_digits_are_digits(url: str) -> None:
    assert str(parse_web(url).address) == "127.0.0.1"


@pytest.mark.parametrize(
    "url",
    [
        "https:///file",
        "https://",
        "https://user@example.com/",
        "https://user:secret@example.com/",
        "https://@example.com/",
        "https://example.com\\@evil.example/",
        "https://exa mple.com/",
        "https://example.com/a\nb",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://example.com:port/",
        "https://[::1",
        "https://[fe80::1%25eth0]/",
        "https://[v1.x]/",
        "https://exa%6dple.com/",
        "https://-bad.example/",
        "https://a..b/",
        "https://example.com../",
        "https://" + "a" * 64 + ".example/",
        "https://" + "a." * 130 + "example/",
        "https://xn--\u2603\u200d.example/",
    ],
)
def test_unclear_urls_are_refused(url: str) -> None:
    with pytest.raises(UrlRefused) as refused:
        parse_web(url)
    assert "secret" not in refused.value.message


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        web = parse_web(f"https://{text}")
    except UrlRefused:
        return
    assert web.host.isascii()
    assert web.target.startswith("/")
    assert web.target.isascii()
    assert not set(web.host + web.target) & set(" \r\n\\\x00")


def test_shown_keeps_credentials_folders_and_queries_to_itself() -> None:
    assert shown("https://u:secret@example.com/secret/call.mp3?token=secret#secret") == "https://example.com/…/call.mp3"
    assert shown("https://example.com/secret") == "https://example.com"
    assert shown("https://example.com/a.wav") == "https://example.com/a.wav"
    assert shown("https://[bad") == "the URL"
    assert "\n" not in shown("https://example.com/a%0ab.wav")
