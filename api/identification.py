"""Whether speakers can be named, asked before any work: who tells them apart, who compares, and whether anybody is
enrolled."""

from __future__ import annotations

from anyio import to_thread

from api.deps import Parts
from speech.errors import UnsupportedOption
from speech.options import TranscribeRequest

FIELD = "diarization.identify"


async def check_identification(request: TranscribeRequest, owner_id: str, parts: Parts) -> None:
    """Refuse to name speakers when it could name nobody.

    Raises:
        UnsupportedOption: naming the field, with how to mend it.
        UnknownProvider, PolicyRefused: as the diarizer refuses.

    """
    if not request.diarization.identify:
        return
    # The registry looks at the disk for models, and may import a provider's file.
    await to_thread.run_sync(_check_models, request, parts)
    if await parts.store.takes.anybody(owner_id):
        return
    if await parts.store.takes.anybody(owner_id, current=False):
        raise UnsupportedOption(
            f"{FIELD}: the model of voices has changed since the speakers were enrolled (status stale). Enrol them "
            "anew: POST /speakers/{speaker_id}/takes.",
            FIELD,
        )
    raise UnsupportedOption(
        f"{FIELD}: no enrolled speaker is ready. Enrol somebody (POST /speakers), and wait until they are.", FIELD
    )


def _check_models(request: TranscribeRequest, parts: Parts) -> None:
    diarizer = parts.registry.diarizer(request, ())
    if diarizer is not None:
        parts.registry.voice_model(diarizer.name, FIELD)
