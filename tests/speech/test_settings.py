from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from speech.settings import Settings

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / ".env.example"
SETTING = re.compile(r"^#(WOA_[A-Z0-9_]+)=(.*)$")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"WOA_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


def _load(env_file: Path | None) -> Settings:
    return Settings(_env_file=env_file)  # type: ignore[call-arg]


def _example_lines() -> list[str]:
    return EXAMPLE.read_text(encoding="utf-8").splitlines()


def test_the_example_loads_as_it_is() -> None:
    assert _load(EXAMPLE) == _load(None)


def test_the_example_loads_with_every_line_uncommented_and_holds_the_defaults(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("\n".join(SETTING.sub(r"\1=\2", line) for line in _example_lines()), encoding="utf-8")
    assert sum(line.startswith("WOA_") for line in env.read_text(encoding="utf-8").splitlines()) > 10
    assert _load(env) == _load(None)


def test_the_example_names_every_setting_once_and_no_unknown_one() -> None:
    named = [match[1] for line in _example_lines() if (match := SETTING.match(line))]
    assert named == [f"WOA_{name.upper()}" for name in Settings.model_fields]


def test_the_example_says_what_each_setting_means() -> None:
    said: list[str] = []
    wrong = []
    for line in _example_lines():
        if match := SETTING.match(line):
            description = Settings.model_fields[match[1].removeprefix("WOA_").lower()].description
            if " ".join(said) != description:
                wrong.append(match[1])
        said = [*said, line.removeprefix("# ")] if line.startswith("# ") else []
    assert wrong == []


def test_a_program_starts_beside_a_copy_of_the_example(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(EXAMPLE.read_bytes().replace(b"\n#WOA_", b"\nWOA_"))
    ask = "from speech.settings import Settings; print(Settings().api_port)"
    done = subprocess.run(
        [sys.executable, "-c", ask], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.strip()) == (0, "8000"), done.stderr


def test_every_setting_is_described_in_a_sentence() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert len(field.description) > 8, name


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = tmp_path / ".env"
    env.write_text("WOA_API_PORT=9001\nWOA_WORKER_SLOTS=2\n", encoding="utf-8")
    monkeypatch.setenv("WOA_API_PORT", "9002")
    settings = _load(env)
    assert (settings.api_port, settings.worker_slots) == (9002, 2)


def test_an_empty_value_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WOA_DATABASE_URL", "")
    monkeypatch.setenv("WOA_URL_SCHEMES", "")
    monkeypatch.setenv("WOA_API_PORT", "")
    assert _load(None) == _load(None).model_copy()
    assert (_load(None).database_url, _load(None).url_schemes, _load(None).api_port) == (None, ["https"], 8000)


def test_lists_and_objects_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WOA_CORS_ORIGINS", json.dumps(["https://a", "https://b"]))
    monkeypatch.setenv("WOA_BLOB_OPTIONS", json.dumps({"endpoint_url": "http://127.0.0.1:1"}))
    settings = _load(None)
    assert settings.cors_origins == ["https://a", "https://b"]
    assert settings.blob_options == {"endpoint_url": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WOA_API_PORT", "70000"),
        ("WOA_API_PORT", "eighty"),
        ("WOA_DEVICE", "tpu"),
        ("WOA_MAX_UPLOAD_BYTES", "0"),
        ("WOA_PIECE_SECONDS", "1"),
        ("WOA_LOG_LEVEL", "LOUD"),
    ],
)
def test_a_bad_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as caught:
        _load(None)
    assert caught.value.errors()[0]["loc"] == (name.removeprefix("WOA_").lower(),)


def test_defaults_are_filled_in_from_the_data_folder(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path)
    assert settings.database == f"sqlite+aiosqlite:///{tmp_path}/woa.db"
    assert settings.blobs == str(tmp_path / "blobs")
    assert (settings.models, settings.spool) == (tmp_path / "models", tmp_path / "spool")
    assert settings.run == tmp_path / "run"
    assert settings.prefect == "http://127.0.0.1:4200/api"
    assert settings.prefect_ui == "http://127.0.0.1:4200"


def test_what_is_set_is_used(tmp_path: Path) -> None:
    settings = Settings(
        _env_file=None,
        database_url="postgresql+asyncpg://u:p@h/n",
        blob_url="s3://b/p",
        models_dir=tmp_path / "m",
        spool_dir=tmp_path / "s",
        prefect_api_url="http://prefect:4200/api",
        prefect_ui_url="https://flows.example.org/",
    )
    assert settings.database == "postgresql+asyncpg://u:p@h/n"
    assert settings.blobs == "s3://b/p"
    assert (settings.models, settings.spool) == (tmp_path / "m", tmp_path / "s")
    assert settings.prefect == "http://prefect:4200/api"
    assert settings.prefect_ui == "https://flows.example.org"


def test_the_home_folder_is_understood_and_paths_are_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WOA_MODELS_DIR", "weights")
    settings = _load(None)
    assert settings.data_dir == tmp_path / "home" / ".local/share/world-of-asr"
    assert settings.models == tmp_path / "weights"


def test_a_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WOA_HUB_TOKEN", "hf_secret")
    assert "hf_secret" not in repr(_load(None))


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        _load(None).api_port = 1  # type: ignore[misc]
