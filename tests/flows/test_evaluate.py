"""The flow, by Prefect's engine: a set of the operator's, its figures as artifacts, no text in what Prefect keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from flows.evaluate import WORSE, evaluate
from orchestration.environment import prefect_settings
from pipeline.evaluation.results import Edited, read_result, write_result
from tests.flows.conftest import Bench, Scripted, failing

pytestmark = pytest.mark.prefect
SECRET = "the words that nobody but us may keep"


@pytest.fixture
def folder(bench: Bench, jfk: Path) -> Path:
    folder = bench.runtime.settings.evaluation / "Calls_1"
    folder.mkdir(parents=True)
    rows = [
        {"id": f"call-{number}", "lang": language, "path": str(jfk), "text": SECRET}
        for number, language in enumerate(("en", "en", "it"))
    ]
    (folder / "manifest.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (folder / "request.json").write_text(json.dumps({"provider": "scripted"}))
    return folder


def test_a_set_is_run_and_compared_with_its_baseline(bench: Bench, folder: Path) -> None:
    state = bench.run_flow(evaluate, {"evaluation_set": "Calls_1"})
    assert state is not None
    assert state.is_completed(), state.message
    (kept,) = (folder / "results").glob("*.json")
    result = read_result(kept)
    assert [file.key for file in result.files] == ["en/call-0", "en/call-1", "it/call-2"]
    assert kept.with_suffix(".html").is_file()
    table = artifact(bench, "evaluation-calls-1")
    assert [row["language"] for row in table] == ["all", "en", "it"]
    assert "%" in table[0]["WER"]

    perfect = [
        file.model_copy(update={"words": Edited(substitutions=0, deletions=0, insertions=0, length=file.words.length)})
        for file in result.files
        if file.words is not None
    ]
    write_result(result.model_copy(update={"files": tuple(perfect)}), folder / "baseline.json")
    worse = bench.run_flow(evaluate, {"evaluation_set": "Calls_1"})
    assert worse is not None
    assert (worse.name, worse.message) == ("Failed", WORSE)
    changes = artifact(bench, "evaluation-calls-1-changes")
    assert "Worse: WER (all)" in changes
    assert "`en/call-0`" in changes
    assert SECRET not in f"{table} {changes}"


def test_what_cannot_be_run_fails_with_a_code_alone(bench: Bench, folder: Path) -> None:
    for name in ("nowhere", "..", "../Calls_1"):
        state = bench.run_flow(evaluate, {"evaluation_set": name})
        assert state is not None
        assert (state.name, state.message) == ("Failed", "manifest_refused")


def test_a_baseline_that_cannot_be_used_is_refused_before_any_work(bench: Bench, folder: Path) -> None:
    assert bench.run_flow(evaluate, {"evaluation_set": "Calls_1"}) is not None
    (kept,) = (folder / "results").glob("*.json")
    result = read_result(kept)
    other = result.conditions.model_copy(update={"normalisers": {"en": "another"}})
    write_result(result.model_copy(update={"conditions": other}), folder / "baseline.json")
    tries = Scripted.tries
    for _ in range(2):
        state = bench.run_flow(evaluate, {"evaluation_set": "Calls_1"})
        assert state is not None
        assert (state.name, state.message) == ("Failed", "result_refused")
        (folder / "baseline.json").write_text("{}")
    assert Scripted.tries == tries
    assert list((folder / "results").glob("*.json")) == [kept]


def test_a_result_is_kept_that_cannot_be_compared(bench: Bench, folder: Path) -> None:
    assert bench.run_flow(evaluate, {"evaluation_set": "Calls_1"}) is not None
    (first,) = (folder / "results").glob("*.json")
    write_result(read_result(first).model_copy(update={"files": ()}), folder / "baseline.json")
    state = bench.run_flow(evaluate, {"evaluation_set": "Calls_1"})
    assert state is not None
    assert (state.name, state.message) == ("Failed", "result_refused")
    assert len(list((folder / "results").glob("*.json"))) == 2


def test_a_recording_that_fails_is_counted(bench: Bench, folder: Path) -> None:
    failing(RuntimeError(SECRET))
    state = bench.run_flow(evaluate, {"evaluation_set": "Calls_1"})
    assert state is not None
    assert state.is_completed()
    (row, *_) = artifact(bench, "evaluation-calls-1")
    assert (row["recordings"], row["failed"]) == (3, 1)


def artifact(bench: Bench, key: str) -> Any:
    with prefect_settings(bench.runtime.settings), get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))
    data = max(found, key=lambda each: each.created).data
    return json.loads(data) if isinstance(data, str) and data.startswith("[") else data
