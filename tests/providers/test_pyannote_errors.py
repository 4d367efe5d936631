"""The errors of torch as ours: a lost device is the server's trouble, whether the model is loaded then or runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from providers.pyannote_errors import translated
from speech.errors import DeviceUnavailable, JobCancelled, ModelUnavailable, ProviderUnavailable, SpeechError

BROKEN = Path("/models/voices")


@pytest.mark.parametrize("loading", [None, BROKEN])
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("CUDA error: an illegal memory access was encountered"), DeviceUnavailable),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"), DeviceUnavailable),
        (RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"), DeviceUnavailable),
        (RuntimeError("No CUDA GPUs are available"), DeviceUnavailable),
        (RuntimeError("Found no NVIDIA driver on your system."), DeviceUnavailable),
        (OSError("libcudart.so.12: cannot open shared object file"), DeviceUnavailable),
        (RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB."), ProviderUnavailable),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), ProviderUnavailable),
    ],
)
def test_what_devices_say_is_known(error: Exception, kind: type[SpeechError], loading: Path | None) -> None:
    with pytest.raises(kind) as caught, translated(loading=loading):
        raise error
    assert type(caught.value) is kind
    assert caught.value.__cause__ is error


def test_other_errors_are_the_models_while_it_is_loaded_and_else_nobodys() -> None:
    with pytest.raises(ModelUnavailable), translated(loading=BROKEN):
        raise RuntimeError("invalid magic number")
    with pytest.raises(RuntimeError, match="size of tensor"), translated():
        raise RuntimeError("The size of tensor a must match the size of tensor b")
    with pytest.raises(JobCancelled), translated():
        raise JobCancelled("CUDA error is a word of the job's")
