"""Which work pool a job goes to."""

from __future__ import annotations

import pytest

from speech.pools import Routing
from speech.settings import Settings

ROUTES = {"faster_whisper/large-v3-turbo": "turbo", "faster_whisper/large*": "speech-gpu", "other/*": "speech-gpu"}


def routing(**changes: object) -> Routing:
    return Routing.from_settings(Settings(_env_file=None, work_pool="speech-cpu", **changes))  # type: ignore[arg-type]


def test_without_routes_there_is_one_pool() -> None:
    assert routing().pools == ("speech-cpu",)
    assert routing().pool_of("faster_whisper", "large-v3") == "speech-cpu"


def test_every_pool_is_named_once_the_default_first() -> None:
    assert routing(pool_routes=ROUTES).pools == ("speech-cpu", "turbo", "speech-gpu")


@pytest.mark.parametrize(
    ("provider", "model", "pool"),
    [
        ("faster_whisper", "large-v3", "speech-gpu"),
        ("faster_whisper", "large-v3-turbo", "turbo"),
        ("faster_whisper", "tiny.en", "speech-cpu"),
        ("faster_whisper", None, "speech-cpu"),
        ("other", None, "speech-gpu"),
        ("Other", "x", "speech-cpu"),
    ],
)
def test_the_first_route_that_fits_decides(provider: str, model: str | None, pool: str) -> None:
    assert routing(pool_routes=ROUTES).pool_of(provider, model) == pool


def test_a_deployment_of_jobs_stands_in_every_pool_under_a_name_of_its_own() -> None:
    found = routing(pool_routes=ROUTES)
    assert found.deployment_in("speech-cpu", "transcribe/transcribe") == "transcribe/transcribe"
    assert found.deployment_in("turbo", "transcribe/transcribe") == "transcribe/transcribe-turbo"
