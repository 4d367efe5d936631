"""Marks and capitals without a hub: real statistics, real text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from providers import true_case
from providers.context import ProviderContext
from providers.offline_punctuation import Offline
from providers.role import StepWatch
from speech.errors import JobCancelled, ModelUnavailable
from tests.conftest import Clip


@pytest.fixture(scope="module")
def offline(context: ProviderContext) -> Offline:
    provider = Offline(context)
    assert provider.availability().available
    return provider


@pytest.mark.models
def test_capitals_and_marks_of_real_speech_come_back(offline: Offline, clips: list[Clip]) -> None:
    (kennedy,) = [clip.text for clip in clips if clip.name == "jfk"]
    words = kennedy.lower().replace(",", "").replace(":", "").replace(".", "").split()
    written = " ".join(offline.punctuate(words, "en"))
    assert written.startswith("And so my fellow Americans")
    assert written.endswith("your country.")


@pytest.mark.models
def test_pauses_end_sentences_and_names_have_capitals(offline: Offline) -> None:
    words = [
        "i",
        "met",
        "him",
        "in",
        "new",
        "york",
        "on",
        "monday",
        "what",
        "did",
        "he",
        "say",
        "he",
        "said",
        "nothing",
    ]
    gaps = [0.0] * len(words)
    gaps[7], gaps[11] = 1.2, 1.1
    written = " ".join(offline.punctuate(words, "en", gaps=gaps))
    assert written == "I met him in New York on Monday. What did he say? He said nothing."


@pytest.mark.models
def test_what_is_written_stays(offline: Offline) -> None:
    words = [
        "Dr.",
        "Ng,",
        "of",
        "AcmeCorp,",
        "said",
        "so.",
        "it",
        "was",
        "iPhone",
        "season,",
        "and",
        "nobody",
        "cared!",
    ]
    gaps = [2.0] * len(words)
    assert offline.punctuate(words, "en", gaps=gaps) == (*words[:6], "It", *words[7:])
    shouted = ("I", "MET", "HIM", "IN", "NEW", "YORK")
    assert " ".join(offline.punctuate(shouted, "en")) == "I met him in New York."


@pytest.mark.parametrize("gaps", [[0.1, 0.9, 0.0, 0.0], [0.1, None, 0.0, None]])
def test_other_languages_go_by_pauses_alone(offline: Offline, gaps: list[float | None]) -> None:
    written = offline.punctuate(["désolé", "madame", "il", "dort"], "fr-CA", gaps=gaps)
    dot = "." if gaps[1] else ""
    assert written == ("Désolé", f"madame{dot}", "Il" if dot else "il", "dort.")


def test_languages_are_declared(offline: Offline) -> None:
    assert all(offline.abilities.knows(language) for language in ("en", "en-GB", "fr", "ru"))
    assert not any(offline.abilities.knows(language) for language in ("de", "zh", "ja", "ar", "hi"))


def test_a_cancelled_job_stops(offline: Offline) -> None:
    with pytest.raises(JobCancelled):
        offline.punctuate(["oui"], "fr", StepWatch(cancelled=lambda: True))


def test_a_file_that_was_changed_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = tmp_path / "english.dist"
    changed.write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    monkeypatch.setattr(true_case, "statistics_file", lambda: changed)
    with pytest.raises(ModelUnavailable, match="sha256"):
        true_case.load_true_caser()


def test_importing_the_providers_of_punctuation_is_quick() -> None:
    heavy = "('nltk', 'truecase', 'torch', 'punctuators', 'onnxruntime', 'sentencepiece', 'huggingface_hub')"
    script = (
        "import sys, providers.offline_punctuation, providers.openai_chat, providers.punctuators_onnx; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
