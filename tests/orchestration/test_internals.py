"""Prefect's insides: those we need are there, and what is missing is said in a sentence."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from orchestration import internals
from orchestration.internals import UnsupportedPrefect, begin_immediately, flow_run_id_of_event, take


def test_a_missing_piece_names_itself_and_the_versions() -> None:
    with pytest.raises(UnsupportedPrefect, match=r"prefect\.flow_engine\.nothing is missing.*3\.8\.8.*3\.10"):
        take("prefect.flow_engine", "nothing")
    with pytest.raises(UnsupportedPrefect, match=r"prefect\.nowhere"):
        take("prefect.nowhere", "x")


@pytest.mark.parametrize("version", ["3.8.7", "3.10.0", "2.20.1", "4.0"])
def test_another_version_is_refused(version: str) -> None:
    with pytest.raises(UnsupportedPrefect, match="outside of the range"):
        internals._check_version(version)


@pytest.mark.parametrize("version", ["3.8.8", "3.9.1", "3.9.12+local"])
def test_a_known_version_is_taken(version: str) -> None:
    internals._check_version(version)


def test_runs_are_known_by_their_events() -> None:
    run_id = uuid4()
    assert flow_run_id_of_event(f"prefect.flow-run.{run_id}") == UUID(str(run_id))
    assert flow_run_id_of_event("prefect.flow-run.not-an-id") is None
    assert flow_run_id_of_event("prefect.deployment.1") is None


def test_transactions_of_the_server_begin_immediately(monkeypatch: pytest.MonkeyPatch) -> None:
    configurations = take("prefect.server.database.configurations", "AioSqliteConfiguration")
    mode = take("prefect.server.database.configurations", "SQLITE_BEGIN_MODE")
    monkeypatch.setattr(configurations, "begin_transaction", configurations.begin_transaction)
    begin_immediately()
    seen: list[str | None] = []

    class Transaction:
        async def __aenter__(self) -> str:
            seen.append(mode.get())
            return "transaction"

        async def __aexit__(self, *_: object) -> None:
            seen.append(mode.get())

    class Session:
        def begin(self) -> Transaction:
            return Transaction()

        async def connection(self) -> None:
            seen.append(mode.get())

    async def use() -> None:
        async with configurations.begin_transaction(None, Session()) as transaction:
            assert transaction == "transaction"
            seen.append(mode.get())
        seen.append(mode.get())

    asyncio.run(use())
    assert seen == [None, "IMMEDIATE", None, None, None]
