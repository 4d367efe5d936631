"""What a child says about how its work ended, and what it does not load to say it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from audio.decode_main import answer
from speech.errors import InvalidAudio

ROOT = Path(__file__).parents[2]


def said(capsys: pytest.CaptureFixture[str]) -> object:
    return json.loads(capsys.readouterr().out)


def test_work_that_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    answer(lambda: {"samples": 3})
    assert said(capsys) == {"done": {"samples": 3}}


def test_a_refusal_keeps_its_code_and_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> dict[str, object]:
        raise InvalidAudio("Why.")

    answer(refuse)
    assert said(capsys) == {"refused": "invalid_audio", "message": "Why."}


def test_want_of_memory_is_the_files_fault(capsys: pytest.CaptureFixture[str]) -> None:
    def devour() -> dict[str, object]:
        raise MemoryError

    answer(devour)
    message = said(capsys)
    assert isinstance(message, dict)
    assert message["refused"] == "invalid_audio"
    assert "more memory" in message["message"]


def test_a_bug_is_not_hidden() -> None:
    def fail() -> dict[str, object]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        answer(fail)


def loaded(imports: str, names: str) -> str:
    code = f"import sys; import {imports}; print(*sorted(set({names!r}.split()) & set(sys.modules)))"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_children_load_neither_numpy_nor_the_settings() -> None:
    assert loaded("audio.decode_main, audio.probe_main", "numpy pydantic asyncio") == ""


def test_the_parent_loads_no_decoder_and_no_inference_library() -> None:
    modules = "audio.decode, audio.probe, audio.vad, audio.spool, audio.pieces, audio.quality, audio.limits"
    assert loaded(modules, "av onnxruntime faster_whisper ctranslate2 torch") == ""
