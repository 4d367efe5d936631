"""Speakers from the command line, through a server."""

from __future__ import annotations

import json
from pathlib import Path

from api.app import create_app
from engine.engine import Engine
from providers.fake_steps import FakeVoiceModel
from providers.registry import Extra, Registry
from speech.settings import Settings
from tests.api.conftest import serving
from tests.cli.conftest import Woa
from weights.store import WeightStore


def test_enrolled_listed_renamed_and_removed(woa: Woa, jfk: Path, settings: Settings) -> None:
    extra = Extra(voices={"fake_diarizer": FakeVoiceModel})
    registry = Registry(settings, WeightStore.from_settings(settings), Engine.from_settings(settings), steps=extra)
    with serving(create_app(settings, registry=registry)) as url:
        made = woa("speakers", "enrol", "JFK", str(jfk), "--server", url)
        assert made.returncode == 0, made.stderr
        speaker_id = made.stdout.strip()
        assert woa("speakers", "rename", speaker_id, "Kennedy", "--server", url).returncode == 0
        (listed,) = json.loads(woa("speakers", "list", "--json", "--server", url).stdout)
        assert (listed["speaker_id"], listed["name"], listed["status"]) == (speaker_id, "Kennedy", "enrolling")
        assert woa("speakers", "remove", speaker_id, "--server", url).returncode == 0
        again = woa("speakers", "remove", speaker_id, "--server", url)
        assert (again.returncode, "There is no speaker" in again.stderr) == (1, True)
