"""Steps: what the key holds, and that kept outcomes are found, or done again when they do not read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from pipeline.steps import KeptSteps, NoSteps, StepKey, run_step, step_key
from storage.blobs import Blobs

SHAPE = TypeAdapter(dict[str, int])
KEY = step_key("anna", "count", 1, audio="abc")


class Counter:
    """Counts how often the work was done."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> dict[str, int]:
        self.times += 1
        return {"times": self.times}


@pytest.fixture
def noted() -> list[StepKey]:
    return []


@pytest.fixture
def kept(tmp_path: Path, noted: list[StepKey]) -> KeptSteps:
    return KeptSteps(Blobs(str(tmp_path), {}), noted.append)


def test_the_second_time_nothing_is_done(kept: KeptSteps, noted: list[StepKey]) -> None:
    work = Counter()
    assert run_step(kept, KEY, SHAPE, work) == run_step(kept, KEY, SHAPE, work) == {"times": 1}
    assert set(noted) == {KEY}


def test_the_key_is_noted_before_the_bytes_are_written(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path), {})

    def refuse(key: StepKey) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        KeptSteps(blobs, refuse).keep(KEY, b"{}")
    assert not blobs.exists(KEY.blob_key)


def test_refresh_does_the_work_and_keeps_the_new_outcome(tmp_path: Path) -> None:
    blobs, work = Blobs(str(tmp_path), {}), Counter()
    run_step(KeptSteps(blobs, lambda key: None), KEY, SHAPE, work)
    assert run_step(KeptSteps(blobs, lambda key: None, lambda key: False), KEY, SHAPE, work) == {"times": 2}
    assert run_step(KeptSteps(blobs, lambda key: None), KEY, SHAPE, work) == {"times": 2}


@pytest.mark.parametrize("damage", [b"", b"{", b'{"times": "many"}', b"\xff\xfe"])
def test_a_damaged_outcome_is_done_again(tmp_path: Path, kept: KeptSteps, damage: bytes) -> None:
    kept.keep(KEY, damage)
    assert run_step(kept, KEY, SHAPE, Counter()) == {"times": 1}
    assert kept.recall(KEY) == b'{"times":1}'


def test_without_a_store_the_work_is_always_done() -> None:
    work = Counter()
    run_step(NoSteps(), KEY, SHAPE, work)
    run_step(NoSteps(), KEY, SHAPE, work)
    assert work.times == 2


@pytest.mark.parametrize(
    "other",
    [
        step_key("ben", "count", 1, audio="abc"),
        step_key("anna", "add", 1, audio="abc"),
        step_key("anna", "count", 2, audio="abc"),
        step_key("anna", "count", 1, audio="abd"),
        step_key("anna", "count", 1, audio="abc", more=None),
    ],
)
def test_another_owner_step_version_or_input_is_another_key(other: StepKey) -> None:
    assert other.blob_key != KEY.blob_key


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_the_order_of_what_is_given_does_not_matter(options: dict[str, object]) -> None:
    backwards = dict(reversed(list(options.items())))
    assert step_key("a", "s", 1, options=options) == step_key("a", "s", 1, options=backwards)
