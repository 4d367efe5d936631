from __future__ import annotations

import errno

import pytest

from weights.hub import HubPull
from weights.sources import SourceFailed


@pytest.mark.parametrize(
    "error",
    [ConnectionError("gone"), TimeoutError("late"), RuntimeError("transfer failed"), OSError(errno.EIO, "broken")],
)
def test_troubles_of_the_hub_library_are_ours(error: Exception) -> None:
    def ask() -> None:
        raise error

    with pytest.raises(SourceFailed, match="broke off"):
        HubPull.at("http://127.0.0.1:1", None)._asking(ask)


def test_http_troubles_of_the_hub_library_are_ours() -> None:
    from huggingface_hub import errors

    def ask() -> None:
        raise errors.HTTPError("reset by peer")

    with pytest.raises(SourceFailed, match="broke off"):
        HubPull.at("http://127.0.0.1:1", None)._asking(ask)


def test_a_full_disk_and_bugs_pass_untouched() -> None:
    for error in (OSError(errno.ENOSPC, "full"), KeyError("bug")):

        def ask(raised: Exception = error) -> None:
            raise raised

        with pytest.raises(type(error)) as passed:
            HubPull.at("http://127.0.0.1:1", None)._asking(ask)
        assert passed.value is error
