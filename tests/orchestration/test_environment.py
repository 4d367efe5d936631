"""Which Prefect settings hold in our processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.settings import get_current_settings

from orchestration.environment import home, prefect_settings, server_environment
from speech.settings import Settings

ROOT = Path(__file__).parent.parent.parent

PROFILE = """
active = "mine"
[profiles.mine]
PREFECT_API_URL = "https://api.prefect.cloud/api/accounts/a/workspaces/b"
PREFECT_API_KEY = "pnu_secret"
PREFECT_CLIENT_MAX_RETRIES = "1"
PREFECT_RESULTS_PERSIST_BY_DEFAULT = "true"
"""

PROBE = """
import json
from pathlib import Path
from prefect.settings import get_current_settings
from orchestration.environment import prefect_settings
from speech.settings import Settings
outside = get_current_settings()
with prefect_settings(Settings(_env_file=None, data_dir=Path("data"))):
    inside = get_current_settings()
    auth = inside.api.auth_string
    print(json.dumps({
        "was": outside.api.url,
        "url": inside.api.url,
        "key": inside.api.key is not None,
        "retries": inside.client.max_retries,
        "persist": inside.results.persist_by_default,
        "auth": auth.get_secret_value() if auth else None,
    }))
"""


def test_our_settings_hold_inside_and_only_there(settings: Settings) -> None:
    before = get_current_settings()
    with prefect_settings(settings, {"client.max_retries": 7}):
        inside = get_current_settings()
        assert inside.api.url == settings.prefect
        assert inside.home == home(settings)
        assert inside.client.max_retries == 7
        assert inside.flows.heartbeat_frequency is None
        assert inside.logging.to_api.enabled is False
        assert inside.server.ephemeral.enabled is False
    assert get_current_settings() == before


def test_the_persons_own_profile_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / ".prefect"
    folder.mkdir()
    (folder / "profiles.toml").write_text(PROFILE)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment = {**kept, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "PREFECT_API_AUTH_STRING": "me:word"}
    ran = subprocess.run(
        [sys.executable, "-c", PROBE], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    seen = json.loads(ran.stdout)
    assert seen["was"].startswith("https://api.prefect.cloud")
    assert seen == {
        "was": seen["was"],
        "url": "http://127.0.0.1:4200/api",
        "key": False,
        "retries": 5,
        "persist": False,
        "auth": "me:word",
    }
    assert (folder / "profiles.toml").read_text() == PROFILE


def test_the_embedded_server_has_a_home_of_its_own_and_tells_nobody(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_KEY", "pnu_secret")
    monkeypatch.setenv("PREFECT_PROFILE", "mine")
    told = server_environment(settings, 4711, "https://speech.example")
    assert told["PREFECT_HOME"] == str(settings.data_dir / "prefect")
    assert told["PREFECT_UI_API_URL"] == "https://speech.example/api"
    assert told["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert told["DO_NOT_TRACK"] == "1"
    assert "*" not in told["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"]
    assert not {"PREFECT_API_KEY", "PREFECT_PROFILE"} & told.keys()
