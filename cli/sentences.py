"""What is said of an error that belongs to one recording of several."""

from __future__ import annotations

import logging

from speech.errors import SpeechError

_log = logging.getLogger(__name__)


def sentence(error: Exception) -> str:
    """The error in a sentence, without secrets; the whole of it goes to the log of --debug."""
    from speech.redaction import redacted

    _log.debug("the error in full", exc_info=error)
    if isinstance(error, SpeechError):
        return redacted(error.message or error.code)
    if isinstance(error, OSError):
        return redacted(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
    return f"Unexpected {type(error).__name__}; run the command again with --debug to see where."
