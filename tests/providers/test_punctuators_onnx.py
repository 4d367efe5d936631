"""ONNX models of punctuation: the real library, on a tiny network that the test makes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from providers.context import ProviderContext
from providers.punctuators_onnx import MARGIN, WINDOW, Punctuators
from providers.role import StepWatch
from speech.errors import JobCancelled, ModelUnavailable
from tests.providers.tiny_punctuation import make_model
from weights.snapshots import Snapshot

SENTENCES = ["And so, my fellow Americans.", "Where is NASA now?", "¿dónde is iPhone"]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("punctuation") / "tiny"
    make_model(made, SENTENCES, max_length=16)  # shorter than a window: the library cuts, too
    return made


def provider(context: ProviderContext, **told: Any) -> Punctuators:
    settings = type(context.settings)(**{**context.settings.model_dump(), **told})
    return Punctuators(replace(context, settings=settings))


def test_the_model_writes_marks_and_capitals(context: ProviderContext, folder: Path) -> None:
    tiny = provider(context, punctuation_model=str(folder))
    assert tiny.availability().available
    assert (tiny.abilities.local, tiny.abilities.languages) == (True, ("en",))
    words = "and so my fellow americans where is nasa now dónde iphone".split()  # noqa: SIM905
    written = " ".join(tiny.punctuate(words, "en"))
    assert written == "And so, my fellow Americans. Where is NASA now? ¿dónde iPhone"


def test_what_it_does_not_know_and_what_is_written_stays(context: ProviderContext, folder: Path) -> None:
    tiny = provider(context, punctuation_model=str(folder))
    words = ("—", "zyx", "So!", "now", "—", "AMERICANS", "so")
    assert tiny.punctuate(words, "en") == ("—", "zyx", "So!", "now?", "—", "AMERICANS.", "so,")
    assert tiny.punctuate(("…", "—"), "en") == ("…", "—")


def test_long_texts_go_in_windows_and_every_word_comes_back_once(context: ProviderContext, folder: Path) -> None:
    tiny = provider(context, punctuation_model=str(folder))
    words = ["nasa", "now", "is"] * (3 * WINDOW)
    gaps = [0.0] * len(words)
    gaps[MARGIN] = 5.0  # cut where the voice paused
    heard: list[float] = []
    written = tiny.punctuate(words, "en", StepWatch(advanced=heard.append), gaps)
    assert written == ("NASA", "now?", "is") * (3 * WINDOW)
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


def test_a_cancelled_job_stops(context: ProviderContext, folder: Path) -> None:
    with pytest.raises(JobCancelled):
        provider(context, punctuation_model=str(folder)).punctuate(["so"], "en", StepWatch(cancelled=lambda: True))


def test_other_files_are_another_digest_and_broken_ones_are_said_to_be(
    context: ProviderContext, folder: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "model.onnx").write_bytes(b"no network")
    one, other = provider(context, punctuation_model=str(folder)), provider(context, punctuation_model=str(broken))
    assert one.digest() == one.digest() != other.digest()
    with pytest.raises(ModelUnavailable, match="broken"):
        other.punctuate(["so"], "en")


@pytest.mark.parametrize(
    ("told", "mend"),
    [
        ({}, "WOA_PUNCTUATION_MODEL"),
        ({"punctuation_model": "/no/such/folder"}, "WOA_PUNCTUATION_MODEL"),
        ({"punctuation_model": "owner/name"}, "WOA_PUNCTUATION_MODEL"),  # no commit: a folder of that name
        ({"punctuation_model": f"owner/name@{COMMIT}", "offline": True}, "WOA_OFFLINE"),
        ({"punctuation_model": f"owner/name@{COMMIT}", "offline": False}, "WOA_PUNCTUATION_LANGUAGES"),
    ],
)
def test_what_is_missing_is_said_before_any_work(context: ProviderContext, told: dict[str, Any], mend: str) -> None:
    found = provider(context, **told).availability()
    assert not found.available
    assert mend in (found.mend or "")


def test_a_repository_at_a_commit_is_used_once_it_is_here(
    context: ProviderContext, folder: Path, tmp_path: Path
) -> None:
    name = f"owner/name@{COMMIT}"
    told = {"punctuation_model": name, "models_dir": tmp_path, "punctuation_languages": ["en", "de"]}
    waiting = provider(context, **told, offline=False)
    assert waiting.availability().available
    assert waiting.abilities.languages == ("en", "de")
    with pytest.raises(ModelUnavailable, match="offline"):
        provider(context, **told, offline=True).digest()
    snapshot = Snapshot.named(name)
    assert snapshot is not None
    shutil.copytree(folder, snapshot.folder(tmp_path))
    assert provider(context, **told, offline=True).punctuate(["nasa"], "en") == ("NASA",)
