"""Schedules at the door: what is taken there, the scheduler takes too."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.client.schemas.schedules import CronSchedule
from pydantic import ValidationError

from speech.ingestion import IngestOptions

NUMBERS = st.integers(0, 60).map(str)
NAMES = st.sampled_from(["MON", "fri", "Jan", "L", "LW", "5L", "L5", "W", "H", "7", "1-5", "FRI-MON", "*", "*/5"])
PART = st.one_of(NUMBERS, NAMES, st.tuples(NUMBERS, st.sampled_from("-/,"), NUMBERS).map("".join))
CRON = st.lists(st.one_of(st.just("*"), PART), min_size=5, max_size=5).map(" ".join)


def scheduled(cron: str, zone: str = "UTC") -> IngestOptions:
    return IngestOptions.model_validate({"url": "s3://calls/in", "schedule": cron, "timezone": zone})


@given(CRON)
def test_every_schedule_that_is_taken_can_be_kept_by_the_scheduler(cron: str) -> None:
    try:
        scheduled(cron)
    except ValidationError:
        return
    CronSchedule(cron=cron, timezone="UTC")


@pytest.mark.parametrize(
    ("cron", "zone"),
    [
        ("0 0 LW * *", "UTC"),
        ("0 0 * * 5L", "UTC"),
        ("0 0 * * 1,5l", "UTC"),
        ("0 0 30 2 *", "UTC"),
        ("0 0 * *", "UTC"),
        ("0 0 * * *", "posix/Europe/Berlin"),
        ("0 0 * * *", "right/UTC"),
        ("0 0 * * *", "posixrules"),
        ("0 0 * * *", "Nowhere"),
    ],
)
def test_what_the_scheduler_would_refuse_is_refused_at_the_door(cron: str, zone: str) -> None:
    with pytest.raises(ValidationError):
        scheduled(cron, zone)
    assert IngestOptions.from_store({"url": "s3://calls/in", "schedule": cron, "timezone": zone}).schedule == cron


def test_the_last_day_of_a_month_is_a_schedule() -> None:
    assert scheduled("0 0 L * *", "Europe/Berlin").schedule == "0 0 L * *"
