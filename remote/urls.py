"""A URL taken apart once, strictly; what is checked is what is connected to, and nothing parses it again.

Whatever two parsers might read differently (backslashes, blanks, credentials, numbers that are addresses, percent signs
in the host) is refused rather than guessed.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urljoin, urlsplit

import idna

from remote.addresses import Address
from speech.errors import UrlRefused

PORTS = {"https": 443, "http": 80}
_UNCLEAN = re.compile(r"[\x00-\x20\x7f\\]")
_LABEL = re.compile(r"^(?!-)[a-z0-9_-]{1,63}(?<!-)$")
_NUMBER = re.compile(r"^(0x[0-9a-f]*|[0-9]+)$")
_SAFE = "!#$%&'()*+,/:;=?@[]~"


@dataclass(frozen=True, slots=True)
class WebUrl:
    """An http or https URL. ``host`` is lower-case ASCII without brackets; ``target`` the path and query as sent;
    ``address`` is set when the host is an address itself."""

    scheme: str
    host: str
    port: int
    target: str
    address: Address | None = None

    @property
    def authority(self) -> str:
        """Host and port as the Host header names them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def path(self) -> str:
        """The path, still escaped, without the query."""
        return self.target.split("?", 1)[0]

    def joined(self, location: str) -> str:
        """The URL that a redirect to ``location`` means."""
        return urljoin(f"{self.scheme}://{self.authority}{self.target}", location)


def shown(url: str) -> str:
    """A URL as messages and logs may show it: scheme, host and file name; no credentials, folders or query."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "the URL"
    last = unquote(parts.path.rsplit("/", 1)[-1])
    named = re.sub(r"[\x00-\x1f\x7f]", "", last)[:80] if "." in last else ""
    between = "/" if parts.path.count("/") <= 1 else "/…/"
    return f"{parts.scheme}://{host}{between}{named}" if named else f"{parts.scheme}://{host}"


def parse_web(url: str) -> WebUrl:
    """Take an http or https URL apart; UrlRefused when it is unclear, carries credentials or names no host."""
    if _UNCLEAN.search(url):
        raise UrlRefused("The URL holds blanks, control characters or backslashes: write them escaped.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UrlRefused("The URL cannot be read: check its host and port.") from error
    if "@" in parts.netloc:
        raise UrlRefused("The URL carries a user name or password: give a URL that works without them.")
    if not parts.hostname:
        raise UrlRefused("The URL names no host.")
    if port == 0:
        raise UrlRefused("The URL names port 0, which there is not.")
    host, address = parse_host(parts.hostname, bracketed=parts.netloc.startswith("["))
    path = quote(parts.path or "/", safe=_SAFE)
    query = f"?{quote(parts.query, safe=_SAFE)}" if parts.query else ""
    return WebUrl(parts.scheme, host, port or PORTS[parts.scheme], path + query, address)


def parse_host(text: str, *, bracketed: bool = False) -> tuple[str, Address | None]:
    """A host in its one spelling, and the address when it is one; UrlRefused for anything odd."""
    if bracketed:
        return _literal_v6(text)
    name = _ascii(text)
    if _NUMBER.match(name.rsplit(".", 1)[-1]):
        return _literal_v4(name)
    if len(name) > 253 or not all(_LABEL.match(label) for label in name.split(".")):
        raise UrlRefused("The URL's host is no name that there can be.")
    return name, None


def _ascii(text: str) -> str:
    name = text.lower()
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except UnicodeError as error:
            raise UrlRefused("The URL's host is no name that there can be.") from error
    return name.removesuffix(".")


def _literal_v6(text: str) -> tuple[str, Address]:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError as error:
        raise UrlRefused("The URL's host is no IPv6 address.") from error
    if address.scope_id is not None:
        raise UrlRefused("The URL names a network interface: give an address without a zone.")
    return str(address), address


def _literal_v4(text: str) -> tuple[str, Address]:
    # Systems also read 2130706433, 0x7f.1 and 0177.0.0.1 as addresses; here an address has one spelling.
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError as error:
        raise UrlRefused("The URL's host is an address in an odd spelling: write four decimal numbers.") from error
    return str(address), address
