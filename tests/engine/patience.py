"""How long tests of the engine wait for what must come about."""

from __future__ import annotations

PATIENCE = 30.0
"""Seconds."""
