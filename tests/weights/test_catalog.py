from __future__ import annotations

import re

import pytest

from speech.options import ModelName
from weights.catalog import CATALOG, find, unknown
from weights.layouts import WHISPER

NAMES = [name for entry in CATALOG for name in (entry.name, *entry.aliases)]
HEARS_WORDS = [entry for entry in CATALOG if entry.layout is WHISPER]


def test_names_are_unique_and_plain() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name) for name in NAMES)
    assert ModelName


def test_every_model_of_faster_whisper_is_here_and_from_the_same_repository() -> None:
    from faster_whisper.utils import _MODELS

    for name, repository in _MODELS.items():
        entry = find(name)
        assert entry is not None, name
        assert entry.hub is not None
        assert entry.hub.repository == repository


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_everything_is_pinned(entry) -> None:  # type: ignore[no-untyped-def]
    assert entry.hub or entry.wheels
    if entry.hub:
        assert re.fullmatch(r"[0-9a-f]{40}", entry.hub.revision)
        hashes = {name: entry.hub.pinned(name) for name in entry.layout.loaded}
        assert all(found is None or re.fullmatch(r"[0-9a-f]{64}", found) for found in hashes.values())
        assert entry.layout is WHISPER or None not in hashes.values()
    for file in entry.wheels.files if entry.wheels else ():
        assert file.name in entry.layout.loaded
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.size_bytes > 0
        assert all(re.fullmatch(r"[a-z0-9-]+==[0-9.]+", requirement) for requirement, _ in file.members)


def test_languages_agree_with_the_tokenizer() -> None:
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    for entry in HEARS_WORDS:
        assert entry.multilingual == (not entry.name.endswith(".en") and "distil" not in entry.name)
        assert set(entry.languages) <= set(_LANGUAGE_CODES)
        if entry.multilingual:
            assert set(_LANGUAGE_CODES) - set(entry.languages) <= {"yue"}


def test_memory_grows_with_the_width_of_a_weight() -> None:
    entry = find("small")
    assert entry is not None
    assert entry.memory_bytes(1) < entry.memory_bytes(2) < entry.memory_bytes(4)
    assert 244_000_000 < entry.memory_bytes(1) < 1_000_000_000


def test_aliases_are_found() -> None:
    assert find("turbo") is find("large-v3-turbo")
    assert find("large") is find("large-v3")
    assert find("Tiny") is None


def test_an_unknown_name_gets_the_nearest_ones() -> None:
    assert "tiny.en" in unknown("tinny.en", tuple(NAMES)).message
    assert "large-v3" in unknown("large-v4", tuple(NAMES)).message
    error = unknown("zzz\n\x1b[31m", tuple(NAMES))
    assert error.field == "model"
    assert "tiny, tiny.en, base" in error.message
    assert error.message.isprintable()
