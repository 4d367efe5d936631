"""The one sample rate inside, by itself: the child processes need it and must start without numpy."""

from __future__ import annotations

SAMPLE_RATE = 16_000
"""Samples a second of all audio inside the product."""
