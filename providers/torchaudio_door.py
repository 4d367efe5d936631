"""The one door through which torchaudio is imported.

The wheels of torchaudio on PyPI are linked to CUDA. Beside a torch without CUDA their compiled extension cannot be
loaded and the import raises OSError, which would take pyannote.audio with it. What is needed of it (filter banks) is
written in Python, so there it is imported without the extension. Where the extension loads nothing is changed.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

_EXTENSION = "torchaudio._extension"
_lock = threading.Lock()


def open_torchaudio() -> bool:
    """Import torchaudio; false when it had to be without its compiled extension.

    Raises:
        ImportError: when it is not installed.
        OSError: when it cannot be loaded for another reason.

    """
    with _lock:
        try:
            importlib.import_module("torchaudio")
        except OSError as error:
            if "torchaudio" not in str(error):
                raise
            _import_without_extension()
        return not hasattr(sys.modules[_EXTENSION], "woa_stands_in")


def _import_without_extension() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
        del sys.modules[name]
    sys.modules[_EXTENSION] = _stand_in()
    importlib.import_module("torchaudio")


def _stand_in() -> ModuleType:
    """What the rest of torchaudio looks for in its extension: it is told that nothing compiled is there."""
    module = ModuleType(_EXTENSION)
    named: dict[str, Any] = {
        "woa_stands_in": True,
        "_IS_TORCHAUDIO_EXT_AVAILABLE": False,
        "_IS_ALIGN_AVAILABLE": False,
        "_check_cuda_version": lambda: None,
        "fail_if_no_align": _refuse,
    }
    module.__dict__.update(named)
    return module


def _refuse(wanted: Callable[..., Any]) -> Callable[..., Any]:
    def missing(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"torchaudio has no compiled extension here, and so no {wanted.__name__}.")

    return missing
