"""What the processes say: one line an event, for people or as JSON, with the ids of what it is about and no secrets.

The product logs through the standard library or structlog alike; uvicorn, Prefect, SQLAlchemy and warnings go the same
way. Ids come from context variables: ``with about(job_id=...)``. Every line loses its secrets before it is written,
exceptions included.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TextIO

import structlog

from speech.redaction import without_secrets

if TYPE_CHECKING:
    from speech.settings import Settings

_FOREIGN = ("uvicorn", "uvicorn.error", "uvicorn.access", "fastapi", "prefect._internal", "prefect.server")
_LEVELLED = ("uvicorn", "fastapi")
"""Prefect silences these for every process that imports it; here the settings say from which level on they speak."""
_NOISY = (
    "alembic",
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
        if name.startswith(_LEVELLED):
            logger.setLevel(logging.NOTSET)
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
            _without_colours,
            _redact,
            renderer,
        ],
    )


def _without_colours(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event.pop("color_message", None)  # uvicorn says its lines twice, once in colours
    return event


def _redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: without_secrets(key, value) for key, value in event.items()}
