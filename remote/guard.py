"""Which URLs this server fetches: rules from the settings, a check without I/O, and addresses to connect to.

``check`` is quick and is made at the door; ``resolve`` asks the name service once and lets no address pass that is not
public (or allowed by the operator). The download then connects to exactly those addresses, so a name that changes its
mind in between changes nothing.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from remote.addresses import Address, Network, is_inside, is_public
from remote.buckets import BUCKETS, BucketUrl, matches, parse_bucket
from remote.urls import PORTS, WebUrl, parse_host, parse_web, shown
from speech.errors import DownloadFailed, UrlRefused
from speech.settings import Settings

Resolve = Callable[[str, int], list[str]]
"""Addresses of a host name, as text; OSError when it has none."""

METADATA = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
LINK_LOCAL: tuple[Network, ...] = (
    ipaddress.IPv4Network("169.254.0.0/16"),
    ipaddress.IPv6Network("fe80::/10"),
    ipaddress.IPv6Network("fd00:ec2::/32"),
)
RESOLVE_SECONDS = 15.0


def system_resolver(host: str, port: int) -> list[str]:
    """All addresses that the system's name service gives."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True, slots=True)
class UrlRules:
    """What may be fetched.

    ``hosts`` are names and ``networks`` addresses that may be fetched from though they are not public; ``buckets`` the
    prefixes that may be read, ``bucket_options`` the options of their file systems by scheme.
    """

    schemes: frozenset[str] = frozenset({"https"})
    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    buckets: tuple[BucketUrl, ...] = ()
    bucket_options: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    max_redirects: int = 5
    setting: str = "url_allowed_hosts"
    """Where the operator can allow a host; messages name it."""

    @classmethod
    def from_settings(cls, settings: Settings) -> UrlRules:
        """The rules that the settings describe; UrlRefused names an entry that cannot be read.

        Buckets of the scheme that our own blobs use are read with the same options.
        """
        schemes = _web_schemes(settings.url_schemes, "url_schemes")
        hosts, networks = _split_hosts(settings.url_allowed_hosts, "url_allowed_hosts")
        own = (settings.blob_url or "").split("://", 1)[0]
        options = {own: dict(settings.blob_options)} if own in BUCKETS else {}
        buckets = tuple(parse_bucket(prefix) for prefix in settings.url_allowed_buckets)
        return cls(schemes, hosts, networks, buckets, options, settings.url_max_redirects)

    @classmethod
    def for_webhooks(cls, settings: Settings) -> UrlRules:
        """Where webhooks may go: no redirects, no buckets; UrlRefused names an entry that cannot be read."""
        schemes = _web_schemes(settings.webhook_schemes, "webhook_schemes")
        hosts, networks = _split_hosts(settings.webhook_allowed_hosts, "webhook_allowed_hosts")
        return cls(schemes, hosts, networks, max_redirects=0, setting="webhook_allowed_hosts")


def _web_schemes(names: list[str], setting: str) -> frozenset[str]:
    schemes = frozenset(scheme.lower() for scheme in names)
    unknown = sorted(schemes - PORTS.keys())
    if unknown:
        raise UrlRefused(f"{setting}: {', '.join(unknown)} cannot be fetched; only https and http can.")
    return schemes


def _split_hosts(entries: list[str], setting: str) -> tuple[frozenset[str], tuple[Network, ...]]:
    names: set[str] = set()
    networks: list[Network] = []
    for entry in entries:
        try:
            networks.append(ipaddress.ip_network(entry.strip("[]"), strict=False))
        except ValueError:
            names.add(_named(entry, setting))
    return frozenset(names), tuple(networks)


def _named(entry: str, setting: str) -> str:
    try:
        return parse_host(entry)[0]
    except UrlRefused as error:
        raise UrlRefused(f"{setting}: '{entry}' is no host name, address or network.") from error


def check(url: str, rules: UrlRules) -> WebUrl | BucketUrl:
    """What the URL means, when the rules allow it; UrlRefused with a sentence that never holds its query."""
    scheme = url.split("://", 1)[0].lower() if "://" in url else ""
    if scheme in BUCKETS:
        return _checked_bucket(url, rules)
    if scheme not in rules.schemes:
        raise UrlRefused(f"This server does not fetch {scheme[:20] or 'such'} URLs, only {_spoken(rules)}.")
    web = parse_web(url)
    if web.address is not None:
        _allow(web.address, web, rules)
    elif web.host in METADATA and web.host not in rules.hosts:
        raise UrlRefused(f"The host {web.host} belongs to this server's own surroundings.")
    return web


def resolve(url: WebUrl, rules: UrlRules, resolver: Resolve, seconds: float = RESOLVE_SECONDS) -> tuple[str, ...]:
    """The addresses to connect to, all of them allowed; UrlRefused if one is not, DownloadFailed if there is none."""
    if url.address is not None:
        _allow(url.address, url, rules)
        return (str(url.address),)
    addresses = tuple(dict.fromkeys(_asked(url, resolver, seconds)))
    for text in addresses:
        _allow(ipaddress.ip_address(text), url, rules)
    return addresses


def _allow(address: Address, url: WebUrl, rules: UrlRules) -> None:
    if is_inside(address, rules.networks) or is_public(address):
        return
    # A trusted name opens private networks, but not the door to the machine's own credentials.
    if url.address is None and url.host in rules.hosts and not is_inside(address, LINK_LOCAL):
        return
    raise UrlRefused(
        f"The host {url.host} is not on the public internet; only the operator can allow it ({rules.setting})."
    )


def _asked(url: WebUrl, resolver: Resolve, seconds: float) -> list[str]:
    # The system's resolver knows no time-out: it runs in a thread that nobody waits for longer than this.
    found: list[list[str]] = []

    def ask() -> None:
        try:
            found.append(resolver(url.host, url.port))
        except (OSError, UnicodeError):
            found.append([])

    thread = threading.Thread(target=ask, name="resolve", daemon=True)
    thread.start()
    thread.join(seconds)
    if not found or not found[0]:
        raise DownloadFailed(f"The host {url.host} has no address that can be found now.")
    return found[0]


def _checked_bucket(url: str, rules: UrlRules) -> BucketUrl:
    bucket = parse_bucket(url)
    if not bucket.key or bucket.key.endswith("/"):
        raise UrlRefused("The URL names a folder of a bucket: name one object.")
    if not any(matches(bucket, prefix) for prefix in rules.buckets):
        raise UrlRefused(
            f"This server may not read {shown(url)}: its operator has not allowed it (url_allowed_buckets)."
        )
    return bucket


def _spoken(rules: UrlRules) -> str:
    named = sorted(rules.schemes, reverse=True) + sorted({bucket.scheme for bucket in rules.buckets})
    return " and ".join(named) or "files that are uploaded"
