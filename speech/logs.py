"""What the processes say: one line an event, for people or as JSON, with the ids of what it is about and no secrets.

The product logs through the standard library or structlog alike; uvicorn, Prefect, SQLAlchemy and warnings go the same
way. Ids come from context variables: ``with about(job_id=...)``. Every line passes :func:`redacted` before it is
written, exceptions included.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TextIO

import structlog

if TYPE_CHECKING:
    from speech.settings import Settings

HIDDEN = "***"

_SECRET_NAMES = re.compile(
    r"(authorization|cookie|passw(or)?d|secret|token|ticket|credential|api[_-]?key|access[_-]?key)", re.IGNORECASE
)
_FOREIGN = ("uvicorn", "uvicorn.error", "uvicorn.access", "fastapi", "prefect._internal", "prefect.server", "alembic")
_NOISY = (
    "httpx",
    "httpcore",
    "httpx2",
    "httpcore2",
    "sqlalchemy",
    "aiosqlite",
    "asyncio",
    "botocore",
    "s3fs",
    "fsspec",
)

# The first pattern that fits takes the text: URLs lose what stands before the @ and after the ?, and so do bare
# request paths, as in access logs; then come the shapes of keys, and what follows the name of a secret.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*://)[^\s/?#@\"']*(?:@[^\s/?#@\"']*)*@"), rf"\g<scheme>{HIDDEN}@"),
    (re.compile(r"(?P<url>[A-Za-z][A-Za-z0-9+.\-]*://[^\s?#\"'<>]*)[?#][^\s\"'<>]+"), rf"\g<url>?{HIDDEN}"),
    (re.compile(r"(?P<path>(?<![\w:/])/[^\s?#\"'<>]*)\?[^\s\"'<>]+"), rf"\g<path>?{HIDDEN}"),
    (re.compile(r"\b(?P<kind>Bearer|Basic)\s+[A-Za-z0-9._~+/=\-]+", re.IGNORECASE), rf"\g<kind> {HIDDEN}"),
    (re.compile(r"\bwoa_[A-Za-z0-9_\-]{8,}"), f"woa_{HIDDEN}"),
    (re.compile(r"\bhf_[A-Za-z0-9]{8,}"), f"hf_{HIDDEN}"),
    (
        re.compile(
            r"(?P<name>[\w\-]*(?:authorization|passw(?:or)?d|secret|token|ticket|api[_-]?key|access[_-]?key)"
            r"[\w\-]*[\"']?\s*[=:]\s*[\"']?)(?!\*\*\*|(?:Bearer|Basic)\s)[^\s\"',;&)}\]]+",
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


def about(**ids: str | None) -> AbstractContextManager[None]:
    """Name what the lines inside the block are about: ``request_id``, ``job_id``, ``file_id``; None names nothing."""
    return structlog.contextvars.bound_contextvars(**{name: value for name, value in ids.items() if value is not None})


def configure(
    settings: Settings, *, role: str | None = None, stream: TextIO | None = None, colours: bool = False
) -> None:
    """Send all logs of this process to ``stream`` (standard error), in the settings' format and from their level on.

    ``role`` is named in every line: ``api``, ``worker``. ``colours`` are for terminals. May be called again: the
    last call counts.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_formatter(settings.log_format, role, colours=colours))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.log_level)
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)
    route_foreign_loggers()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(role),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def route_foreign_loggers() -> None:
    """Take the handlers of libraries that bring their own (Prefect does at import), so that their lines come here.

    Handlers that do not write to a terminal, such as Prefect's to its API, stay.
    """
    for name in _FOREIGN:
        logger = logging.getLogger(name)
        logger.propagate = True
        for handler in list(logger.handlers):
            if isinstance(handler, logging.StreamHandler):
                logger.removeHandler(handler)


def _shared(role: str | None) -> list[structlog.typing.Processor]:
    def name_role(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if role is not None:
            event.setdefault("role", role)
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_role,
    ]


def _formatter(form: str, role: str | None, *, colours: bool) -> logging.Formatter:
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=colours, exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
        )
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_shared(role), structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _redact,
            renderer,
        ],
    )


def _redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: _without_secrets(key, value) for key, value in event.items()}


def _without_secrets(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if _SECRET_NAMES.search(name):
        return HIDDEN
    if isinstance(value, Mapping):
        return {str(key): _without_secrets(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_without_secrets("", inner) for inner in value]
    return redacted(value if isinstance(value, str) else str(value))
