"""Turns on a device: bounded, fair, and given up by who is cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from engine.errors import DeadlinePassed
from engine.slots import LIVE, Slots, Standing, standing
from speech.errors import JobCancelled
from tests.engine.patience import PATIENCE

Settle = Callable[[Callable[[], bool]], None]


@pytest.mark.parametrize("count", [1, 3])
def test_no_more_than_so_many_at_once(threads: ThreadPoolExecutor, count: int) -> None:
    slots, lock = Slots(count), threading.Lock()
    inside, most = 0, 0
    full = threading.Barrier(count)

    def work() -> None:
        nonlocal inside, most
        with slots.turn():
            with lock:
                inside += 1
                most = max(most, inside)
            full.wait(PATIENCE)  # passes only when `count` threads hold a turn together
            with lock:
                inside -= 1

    for done in [threads.submit(work) for _ in range(count * 6)]:
        done.result(PATIENCE)
    assert most == count
    assert (slots.busy, slots.waiting) == (0, 0)


def test_first_come_first_served(threads: ThreadPoolExecutor, settle: Settle) -> None:
    slots, order = Slots(1), []

    def work(number: int) -> None:
        with slots.turn():
            order.append(number)

    with slots.turn():
        waiting = []
        for number in range(8):
            waiting.append(threads.submit(work, number))
            settle(lambda number=number: slots.waiting == number + 1)
    for done in waiting:
        done.result(PATIENCE)
    assert order == list(range(8))


def test_a_short_job_takes_its_turn_between_those_of_a_long_one(threads: ThreadPoolExecutor, settle: Settle) -> None:
    slots, calls, started = Slots(1), [], threading.Event()

    def long() -> None:
        for number in range(6):
            with slots.turn():
                calls.append("long")
                if number == 1:
                    started.set()
                    settle(lambda: slots.waiting == 1)

    def short() -> None:
        started.wait(PATIENCE)
        with slots.turn():
            calls.append("short")

    for done in (threads.submit(long), threads.submit(short)):
        done.result(PATIENCE)
    assert calls == ["long", "long", "short", "long", "long", "long", "long"]


def test_who_is_cancelled_leaves_the_line_to_the_next(threads: ThreadPoolExecutor, settle: Settle) -> None:
    slots, cancelled, served = Slots(1), threading.Event(), []

    def work(name: str, gone: Callable[[], bool] | None) -> None:
        with slots.turn(gone):
            served.append(name)

    with slots.turn():
        first = threads.submit(work, "first", cancelled.is_set)
        settle(lambda: slots.waiting == 1)
        second = threads.submit(work, "second", None)
        settle(lambda: slots.waiting == 2)
        cancelled.set()
        with pytest.raises(JobCancelled):
            first.result(PATIENCE)
    second.result(PATIENCE)
    assert served == ["second"]
    assert (slots.busy, slots.waiting) == (0, 0)


def test_whether_a_job_is_cancelled_is_asked_without_holding_anybody_up(
    threads: ThreadPoolExecutor, settle: Settle
) -> None:
    slots, asked, answer = Slots(1), threading.Event(), threading.Event()

    def slow() -> bool:
        asked.set()
        return answer.wait(PATIENCE)

    def work() -> None:
        with slots.turn(slow):
            raise AssertionError("its turn never came")

    with slots.turn():
        waiting = threads.submit(work)
        assert asked.wait(PATIENCE)
        assert slots.waiting == 1
    assert slots.busy == 0  # given back though the other one is still being asked
    answer.set()
    with pytest.raises(JobCancelled):
        waiting.result(PATIENCE)


def test_a_turn_ends_with_an_error_too() -> None:
    slots = Slots(1)
    with pytest.raises(ZeroDivisionError), slots.turn():
        raise ZeroDivisionError
    with slots.turn():
        assert slots.busy == 1


def test_a_device_without_slots_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Slots(0)


def _served(slots: Slots, asked: list[Standing], threads: ThreadPoolExecutor, settle: Settle) -> list[Standing]:
    """The order in which those who asked while the device was taken were served."""
    order: list[Standing] = []

    def work(of: Standing) -> None:
        with standing(of), slots.turn():
            order.append(of)

    with slots.turn():
        waiting = []
        for number, of in enumerate(asked):
            waiting.append(threads.submit(work, of))
            settle(lambda number=number: slots.waiting == number + 1)
    for done in waiting:
        done.result(PATIENCE)
    return order


def test_the_most_urgent_goes_first(threads: ThreadPoolExecutor, settle: Settle) -> None:
    low, express, later, sooner = Standing(2), Standing(0), Standing(LIVE, deadline=9.0), Standing(LIVE, deadline=3.0)
    assert _served(Slots(1), [low, express, later, sooner], threads, settle) == [sooner, later, express, low]


def test_owners_have_fair_shares_whoever_has_more_to_do(threads: ThreadPoolExecutor, settle: Settle) -> None:
    moments = iter(range(1000))
    slots = Slots(1, clock=lambda: float(next(moments)))  # every call takes one second
    many, few = Standing(1, "many"), Standing(1, "few")
    order = _served(slots, [many, many, many, many, few, few], threads, settle)
    assert order == [many, few, many, few, many, many]


def test_who_was_away_has_saved_up_nothing(threads: ThreadPoolExecutor, settle: Settle) -> None:
    moments = iter(range(1000))
    slots = Slots(1, clock=lambda: float(next(moments)))
    here, back = Standing(1, "here"), Standing(1, "back")
    with standing(here):
        for _ in range(5):
            with slots.turn():
                pass
    order = _served(slots, [here, here, back, back], threads, settle)
    assert order == [back, here, back, here]


def test_comers_and_goers_do_not_shut_out_who_was_there_all_along() -> None:
    """Two owners with a call at a time against one with many, while a less urgent one waits all the time."""
    served: dict[str, int] = {"patient": 0, "one": 0, "two": 0}
    slots, stop = Slots(1), threading.Event()

    def work(owner: str, rank: int) -> None:
        while not stop.is_set():
            with standing(Standing(rank, owner)), slots.turn(stop.is_set):
                if owner in served:
                    served[owner] += 1
                    if sum(served.values()) >= 300:
                        stop.set()
                stop.wait(0.0005)

    def guarded(owner: str, rank: int) -> None:
        with suppress(JobCancelled):
            work(owner, rank)

    owners = [("patient", 1), ("patient", 1), ("one", 1), ("two", 1), ("idle", 2)]
    workers = [threading.Thread(target=guarded, args=given) for given in owners]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE)
    assert min(served.values()) > 50


class Clock:
    at = 100.0

    def __call__(self) -> float:
        return self.at


def test_what_expires_is_not_begun_after_its_deadline() -> None:
    clock = Clock()
    slots = Slots(1, clock=clock)
    with standing(Standing(LIVE, deadline=99.0)), slots.turn():
        assert slots.busy == 1  # its deadline says when it goes, not whether
    late = Standing(LIVE, deadline=100.0, expires=True)
    with pytest.raises(DeadlinePassed), standing(late), slots.turn():
        raise AssertionError("its turn came")
    assert (slots.busy, slots.waiting, late.late(clock.at)) == (0, 0, True)


def test_what_was_begun_in_time_goes_on_to_its_end() -> None:
    clock = Clock()
    slots = Slots(1, clock=clock)
    in_time = Standing(LIVE, deadline=101.0, expires=True)
    with standing(in_time):
        with slots.turn():
            clock.at = 200.0
        with slots.turn():
            assert not in_time.late(clock.at)


def test_whoever_waits_past_its_deadline_leaves_the_line_to_the_next(
    threads: ThreadPoolExecutor, settle: Settle
) -> None:
    clock, served = Clock(), []
    slots = Slots(1, clock=clock)

    def work(of: Standing) -> None:
        with standing(of), slots.turn():
            served.append(of)

    with slots.turn():
        late = threads.submit(work, Standing(LIVE, deadline=101.0, expires=True))
        next_one = threads.submit(work, Standing(1))
        settle(lambda: slots.waiting == 2)
        clock.at = 102.0
    with pytest.raises(DeadlinePassed):
        late.result(PATIENCE)
    next_one.result(PATIENCE)
    assert served == [Standing(1)]


def test_the_age_of_the_oldest_turn_is_told() -> None:
    moments = iter([0.0, 7.5, 8.0])
    slots = Slots(1, clock=lambda: next(moments))
    assert slots.longest == 0.0
    with slots.turn():
        assert slots.longest == 7.5
    assert slots.longest == 0.0
