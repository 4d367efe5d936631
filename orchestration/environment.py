"""Which Prefect settings our processes use: explicit ones, never the profile of the person at the keyboard."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from speech.settings import Settings


def home(settings: Settings) -> Path:
    """The folder that everything of Prefect's lies in: database, UI files, log."""
    return settings.data_dir / "prefect"


def client_values(settings: Settings) -> dict[str, Any]:
    """Prefect's settings for a process that calls the Prefect API or runs flows."""
    folder = home(settings)
    return {
        "api.url": settings.prefect,
        "api.key": None,
        "home": folder,
        "profiles_path": folder / "profiles.toml",
        "results.local_storage_path": folder / "results",
        "server.ephemeral.enabled": False,
        # Logs of Prefect's engine quote errors of any origin, which may hold words that were spoken.
        "logging.to_api.enabled": False,
        # A thread a run that sleeps in steps of a second and is joined at the end; the worker's beat says as much.
        "flows.heartbeat_frequency": None,
        "worker.enable_cancellation": False,
        # A blocking call whenever a client for threads is made, which fails while Prefect is away.
        "client.server_version_check_enabled": False,
    }


@contextmanager
def prefect_settings(settings: Settings, more: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Use our settings for Prefect in this context (task or thread), with ``more`` on top.

    What the active profile of ``~/.prefect`` says is undone; what the environment says (``PREFECT_API_AUTH_STRING``,
    for one) stays, as long as it is not one of ours.
    """
    # Imported here, so that starting a server costs no import of Prefect in the process that starts it.
    from prefect.context import get_settings_context
    from prefect.settings import temporary_settings

    from_profile = [setting for setting in get_settings_context().profile.settings if setting.name not in os.environ]
    with temporary_settings(updates={**client_values(settings), **(more or {})}, restore_defaults=from_profile):
        yield


def server_environment(settings: Settings, port: int, ui_url: str) -> dict[str, str]:
    """The whole environment of the embedded server's process."""
    folder = home(settings)
    source = str(Path(__file__).parent.parent)
    return {
        **{name: value for name, value in os.environ.items() if name not in ("PREFECT_PROFILE", "PREFECT_API_KEY")},
        "PYTHONPATH": os.pathsep.join(part for part in (source, os.environ.get("PYTHONPATH", "")) if part),
        "DO_NOT_TRACK": "1",
        "PREFECT_HOME": str(folder),
        "PREFECT_PROFILES_PATH": str(folder / "profiles.toml"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_UI_API_URL": f"{ui_url}/api",
        "PREFECT_UI_URL": ui_url,
        "PREFECT_UI_STATIC_DIRECTORY": str(folder / "ui"),
        "PREFECT_SERVER_UI_ENABLED": "true",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        # Any page that somebody visits may call an API on loopback; only our own pages shall read its answers.
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"{ui_url},http://127.0.0.1:{port},http://localhost:{port}",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_CLEANUP_RECONCILER_ENABLED": "false",
        # One transaction for each event of each task otherwise: a quarter of what the server has to do for a short job.
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "50",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_COLORS": "false",
    }
