"""What goes wrong between those who listen to people and an engine in another process.

::

    SpeechError
    ├─ retryable: EngineBusy · EngineLost
    └─ permanent: DeadlinePassed · EngineRefused
"""

from __future__ import annotations

from speech.errors import SpeechError


class DeadlinePassed(SpeechError):
    """The device had no time for it before its deadline; nothing was recognised."""

    code = "deadline_passed"


class EngineBusy(SpeechError):
    """The engine has as much under way as it may; another one, or the same a moment later, may take it."""

    code = "engine_busy"
    retryable = True


class EngineLost(SpeechError):
    """There is no engine at the other end, or none any more: its process died, or was never there."""

    code = "engine_lost"
    retryable = True


class EngineRefused(SpeechError):
    """The engine speaks another version of the protocol, or was told what the protocol does not have."""

    code = "engine_refused"
