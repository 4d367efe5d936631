"""Ingests from the command line: in the installation's own database, and through a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from speech.settings import IngestStore, Settings
from tests.api.conftest import serving
from tests.cli.conftest import Woa


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "calls"
    made.mkdir()
    return made


def test_made_listed_shown_run_and_removed_here(woa: Woa, folder: Path) -> None:
    more = {"WOA_INGEST_STORES": json.dumps({"calls": {"url": f"file://{folder}", "write": True}})}
    made = woa("ingest", f"file://{folder}", "--pattern", "*.wav", "--schedule", "0 * * * *", more=more)
    assert made.returncode == 0, made.stderr
    ingest_id = made.stdout.strip()
    listed = json.loads(woa("ingest", "list", "--json", more=more).stdout)
    assert [(one["ingest_id"], one["pattern"], one["schedule"]) for one in listed] == [
        (ingest_id, "*.wav", "0 * * * *")
    ]
    assert woa("ingest", "run", ingest_id, more=more).returncode == 0
    assert json.loads(woa("ingest", "show", ingest_id, more=more).stdout)["runs"] == []
    assert woa("ingest", "remove", ingest_id, more=more).returncode == 0
    again = woa("ingest", "remove", ingest_id, more=more)
    assert (again.returncode, "There is no ingest" in again.stderr) == (1, True)


def test_what_cannot_be_done_is_said_in_a_sentence(woa: Woa, folder: Path) -> None:
    refused = woa("ingest", f"file://{folder}")
    assert (refused.returncode, "ingest_stores" in refused.stderr) == (1, True)
    wrong = woa("ingest", f"file://{folder}", "--schedule", "at noon")
    assert (wrong.returncode, "schedule" in wrong.stderr) == (2, True)


def test_through_a_server(woa: Woa, folder: Path, settings: Settings) -> None:
    stores: dict[str, Any] = {"calls": IngestStore(url=f"file://{folder}")}
    with serving(create_app(settings.model_copy(update={"ingest_stores": stores}))) as url:
        made = woa("ingest", f"file://{folder}", "--model", "tiny.en", "--server", url)
        assert made.returncode == 0, made.stderr
        shown = json.loads(woa("ingest", "show", made.stdout.strip(), "--server", url).stdout)
        assert (shown["url"], shown["request"]["model"]) == (f"file://{folder}", "tiny.en")
        refused = woa("ingest", "s3://elsewhere/x", "--server", url)
        assert (refused.returncode, "ingest_stores" in refused.stderr) == (1, True)
