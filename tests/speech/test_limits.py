"""How many jobs may be at work at once."""

from __future__ import annotations

from speech.limits import AtWork, Limits

GOOGLE, LARGE, SMALL = (
    AtWork("a", name) for name in ("google/chirp", "faster_whisper/large-v3", "faster_whisper/base")
)


def test_without_limits_there_is_always_room() -> None:
    none = Limits(0, {})
    assert not none
    assert none.leave_room(GOOGLE, [GOOGLE] * 1000)


def test_of_an_owner() -> None:
    limits = Limits(2, {})
    assert limits
    assert limits.leave_room(GOOGLE, [LARGE, AtWork("b", "x/y"), AtWork("b", "x/y")])
    assert not limits.leave_room(GOOGLE, [LARGE, SMALL])


def test_of_a_provider_and_of_a_model() -> None:
    limits = Limits(0, {"google/*": 1, "faster_whisper/large*": 2, "*": 4})
    assert not limits.leave_room(GOOGLE, [AtWork("b", "google/long")])
    assert limits.leave_room(LARGE, [GOOGLE, LARGE])
    assert not limits.leave_room(LARGE, [LARGE, LARGE])
    assert limits.leave_room(SMALL, [LARGE, LARGE, GOOGLE])
    assert not limits.leave_room(SMALL, [SMALL] * 4)
