"""Work beside other work: it ends with the block, and its cancellation is not confused with the caller's."""

from __future__ import annotations

import asyncio

import pytest

from orchestration.beside import beside, end


async def test_it_goes_on_as_long_as_the_block() -> None:
    async with beside(asyncio.sleep(3600)) as task:
        assert not task.done()
    assert task.cancelled()


async def test_it_ends_when_the_block_raises() -> None:
    with pytest.raises(KeyError):
        async with beside(asyncio.sleep(3600)) as task:
            raise KeyError
    assert task.cancelled()


async def test_its_error_is_handed_over() -> None:
    async def fail() -> None:
        raise ValueError("no")

    task = asyncio.create_task(fail())
    await asyncio.wait({task})
    assert isinstance(await end(task), ValueError)


async def test_who_is_cancelled_while_ending_a_task_stays_cancelled() -> None:
    asked = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            asked.set()
            await asyncio.sleep(0.05)

    stubborn_task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    ending = asyncio.create_task(end(stubborn_task))
    await asked.wait()
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    await asyncio.wait({stubborn_task})
