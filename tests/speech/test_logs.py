"""Lines come out in one form, name what they are about, and hold no secrets."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from speech.logs import about, configure, route_foreign_loggers
from speech.redaction import redacted
from speech.settings import Settings

Lines = Callable[[], list[dict[str, Any]]]


def _settings(**given: Any) -> Settings:
    return Settings(_env_file=None, **given)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.fixture
def written() -> Lines:
    stream = io.StringIO()
    configure(_settings(log_format="json", log_level="INFO"), role="api", stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_both_ways_of_logging_give_the_same_line(written: Lines) -> None:
    logging.getLogger("woa.here").info("job %s began", "j1")
    structlog.get_logger("woa.here").info("job j1 began")
    first, second = written()
    assert {key: first[key] for key in ("event", "level", "logger", "role")} == {
        "event": "job j1 began",
        "level": "info",
        "logger": "woa.here",
        "role": "api",
    }
    assert {**first, "timestamp": ""} == {**second, "timestamp": ""}
    assert first["timestamp"].endswith("Z")


def test_lines_name_what_they_are_about(written: Lines) -> None:
    with about(request_id="r1", job_id=None), about(job_id="j1"):
        logging.getLogger("uvicorn.access").info("in")
    logging.getLogger("x").info("out")
    inside, outside = written()
    assert (inside["request_id"], inside["job_id"]) == ("r1", "j1")
    assert "request_id" not in outside
    assert "job_id" not in outside


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Authorization: Bearer abc.def-1", "Authorization: Bearer ***"),
        ("fetch https://h.example/a.mp3?sig=SECRET&x=1 now", "fetch https://h.example/a.mp3?*** now"),
        ("postgresql+asyncpg://me:SECRET@db:5432/woa", "postgresql+asyncpg://***@db:5432/woa"),
        ("https://u:p@SECRET@h/x", "https://***@h/x"),
        ('"GET /api/v1/stream?ticket=SECRET HTTP/1.1" 101', '"GET /api/v1/stream?*** HTTP/1.1" 101'),
        ("key woa_SECRETsecret_1234 used", "key woa_*** used"),
        ("token=SECRET, password: SECRET", "token=***, password: ***"),
        ("{'api_key': 'SECRET'}", "{'api_key': '***'}"),
        ("AWS_SECRET_ACCESS_KEY=abcd/ef", "AWS_SECRET_ACCESS_KEY=***"),
        ("hf_SECRETSECRET", "hf_***"),
        ("whsec_MDEyMzQ1Njc4OTA=", "whsec_***"),
        ("file /data/a b.wav of 3 s: is it mono?", "file /data/a b.wav of 3 s: is it mono?"),
        ("https://h.example/a.mp3", "https://h.example/a.mp3"),
    ],
)
def test_redaction(said: str, kept: str) -> None:
    assert redacted(said) == kept


@given(st.text(alphabet="abcdefXYZ0123456789-_", min_size=8, max_size=40))
def test_no_key_survives(tail: str) -> None:
    line = redacted(f"http://h/x?a=woa_{tail} (woa_{tail}) Bearer woa_{tail}")
    assert f"woa_{tail}" not in line


def test_fields_are_redacted_by_name_and_by_shape(written: Lines) -> None:
    structlog.get_logger("x").warning(
        "asked",
        api_key="SECRET",
        headers={"Authorization": "Basic SECRET", "Accept": "*/*"},
        urls=["s3://b/k?sig=SECRET"],
        count=3,
        nothing=None,
        where=ValueError("https://u:SECRET@h/"),
    )
    (line,) = written()
    assert "SECRET" not in json.dumps(line)
    assert line["headers"]["Accept"] == "*/*"
    assert (line["count"], line["nothing"]) == (3, None)


def test_exceptions_are_shown_without_secrets(written: Lines) -> None:
    try:
        raise ValueError("no answer from https://h/x?sig=SECRET")
    except ValueError:
        logging.getLogger("x").exception("failed")
    (line,) = written()
    assert "ValueError: no answer from https://h/x?***" in line["exception"]


def test_libraries_lose_their_own_handlers() -> None:
    stream = io.StringIO()
    configure(_settings(log_format="console"), role="worker", stream=stream)
    foreign = logging.getLogger("uvicorn")
    own = logging.StreamHandler(io.StringIO())
    foreign.addHandler(own)
    kept = logging.NullHandler()
    foreign.addHandler(kept)
    foreign.propagate = False
    foreign.setLevel(logging.ERROR)
    route_foreign_loggers()
    foreign.warning("one line")
    # Others may hang there as well: pytest's, once Prefect has set its logging up in the same process.
    assert kept in foreign.handlers
    assert own not in foreign.handlers
    foreign.removeHandler(kept)
    line = stream.getvalue()
    assert line.count("one line") == 1
    assert "role=worker" in line
    assert "\x1b" not in line


def test_level_counts_for_all() -> None:
    stream = io.StringIO()
    configure(_settings(log_level="WARNING"), stream=stream)
    logging.getLogger("x").info("unheard")
    structlog.get_logger("x").info("unheard")
    logging.getLogger("httpx").info("unheard")
    structlog.get_logger("x").warning("heard")
    assert "unheard" not in stream.getvalue()
    assert "heard" in stream.getvalue()
    assert "role=" not in stream.getvalue()
