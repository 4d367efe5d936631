"""Threads sleep soon, unless whoever started us said otherwise."""

from __future__ import annotations

from engine.spinning import spin_little


def test_what_the_environment_says_stays() -> None:
    mine, theirs = {"A": "b"}, {"GOMP_SPINCOUNT": "7"}
    spin_little(mine)
    spin_little(theirs)
    assert mine == {"A": "b", "GOMP_SPINCOUNT": "500"}
    assert theirs == {"GOMP_SPINCOUNT": "7"}
