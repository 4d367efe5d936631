"""What must not be shown: keys, tokens, and the parts of URLs that hold them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"

_SECRET_NAMES = re.compile(
    r"(authorization|cookie|passw(or)?d|secret|token|ticket|credential|api[_-]?key|access[_-]?key)", re.IGNORECASE
)
_SCHEME = r"(?<![A-Za-z0-9+.\-])[A-Za-z][A-Za-z0-9+.\-]{0,30}://"
_NAME = r"(?:authorization|passw(?:or)?d|secret|token|ticket|api[_-]?key|access[_-]?key)"

# URLs lose what stands before the @ and after the ?, and so do bare request paths, as in access logs; then come the
# shapes of keys, and what follows the name of a secret. Every repetition that may start anywhere is bounded, so that
# a long line costs time in proportion to its length.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(rf"(?P<scheme>{_SCHEME})[^\s/?#\"']{{0,1000}}@"), rf"\g<scheme>{HIDDEN}@"),
    (re.compile(rf"(?P<url>{_SCHEME}[^\s?#\"'<>]{{0,4096}})[?#][^\s\"'<>]+"), rf"\g<url>?{HIDDEN}"),
    (re.compile(r"(?P<path>(?<![\w:/])/[^\s?#\"'<>]{0,1000})\?[^\s\"'<>]+"), rf"\g<path>?{HIDDEN}"),
    (re.compile(r"\b(?P<kind>Bearer|Basic)\s+[A-Za-z0-9._~+/=\-]+", re.IGNORECASE), rf"\g<kind> {HIDDEN}"),
    (re.compile(r"\bwoa_[A-Za-z0-9_\-]{8,}"), f"woa_{HIDDEN}"),
    (re.compile(r"\bwhsec_[A-Za-z0-9+/=]{8,}"), f"whsec_{HIDDEN}"),
    (re.compile(r"\bhf_[A-Za-z0-9]{8,}"), f"hf_{HIDDEN}"),
    (
        re.compile(
            rf"(?P<name>(?<![\w\-])[\w\-]{{0,64}}?{_NAME}[\w\-]{{0,64}}[\"']?\s{{0,8}}[=:]\s{{0,8}}[\"']?)"
            r"(?!\*\*\*|(?:Bearer|Basic)\s)[^\s\"',;&)}\]]+",
            re.IGNORECASE,
        ),
        rf"\g<name>{HIDDEN}",
    ),
)


def redacted(text: str) -> str:
    """The text without credentials: keys, bearer tokens, the user part and the query of URLs, named secrets."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def without_secrets(name: str, value: Any) -> Any:
    """A value that may be shown as ``name``: hidden when the name is that of a secret, else redacted all through."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if _SECRET_NAMES.search(name):
        return HIDDEN
    if isinstance(value, Mapping):
        return {str(key): without_secrets(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [without_secrets("", inner) for inner in value]
    return redacted(value if isinstance(value, str) else str(value))
