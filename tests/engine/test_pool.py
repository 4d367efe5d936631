"""Models in memory: loaded once, shared, bounded, unloaded when idle."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.pool import ModelPool
from speech.errors import JobCancelled, ModelUnavailable
from tests.engine.patience import PATIENCE

Settle = Callable[[Callable[[], bool]], None]


class Model:
    """Something that can be loaded, and watched while it goes."""


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def _loaded(pool: ModelPool) -> list[object]:
    return [model.key for model in pool.stats().models]


def test_twenty_who_ask_at_once_load_once_and_share(threads: ThreadPoolExecutor, settle: Settle) -> None:
    pool, release, loads = ModelPool(100), threading.Event(), []

    def load() -> Model:
        loads.append(1)
        assert release.wait(PATIENCE)
        return Model()

    def work() -> int:
        with pool.borrow("base", load, 10) as model:
            return id(model)

    asking = [threads.submit(work) for _ in range(20)]
    settle(lambda: pool.stats().hits == 19)
    release.set()
    assert len({done.result(PATIENCE) for done in asking}) == 1
    assert len(loads) == 1
    stats = pool.stats()
    assert (stats.loads, stats.hits, stats.failures) == (1, 19, 0)
    assert [(model.key, model.size_bytes, model.users) for model in stats.models] == [("base", 10, 0)]


def test_a_failing_load_fails_all_who_waited_and_the_next_asks_anew(
    threads: ThreadPoolExecutor, settle: Settle
) -> None:
    pool, release = ModelPool(100), threading.Event()

    def fail() -> Model:
        assert release.wait(PATIENCE)
        raise ModelUnavailable("The weights are broken.")

    def work() -> None:
        with pool.borrow("base", fail, 100):
            raise AssertionError("nothing was loaded")

    asking = [threads.submit(work) for _ in range(20)]
    settle(lambda: pool.stats().hits == 19)
    release.set()
    for done in asking:
        with pytest.raises(ModelUnavailable, match="broken"):
            done.result(PATIENCE)
    assert pool.stats().failures == 1
    with pool.borrow("base", Model, 100) as model:
        assert isinstance(model, Model)


def test_a_load_that_ends_with_its_own_job_does_not_end_the_others(threads: ThreadPoolExecutor, settle: Settle) -> None:
    pool, release = ModelPool(100), threading.Event()

    def give_up() -> Model:
        assert release.wait(PATIENCE)
        raise JobCancelled("The job was cancelled while its model was fetched.")

    def first() -> None:
        with pool.borrow("base", give_up, 10):
            raise AssertionError("nothing was loaded")

    def other() -> bool:
        with pool.borrow("base", Model, 10) as model:
            return isinstance(model, Model)

    cancelled = threads.submit(first)
    settle(lambda: pool._entries != {})
    others = [threads.submit(other) for _ in range(5)]
    settle(lambda: pool.stats().hits == 5)
    release.set()
    with pytest.raises(JobCancelled):
        cancelled.result(PATIENCE)
    assert all(done.result(PATIENCE) for done in others)
    assert pool.stats().loads == 1


def test_who_waits_for_a_load_can_be_cancelled(threads: ThreadPoolExecutor, settle: Settle) -> None:
    pool, release, cancelled = ModelPool(100), threading.Event(), threading.Event()

    def load() -> Model:
        assert release.wait(PATIENCE)
        return Model()

    def work(gone: Callable[[], bool] | None) -> None:
        with pool.borrow("base", load, 10, cancelled=gone):
            pass

    loading = threads.submit(work, None)
    settle(lambda: pool._entries != {})
    waiting = threads.submit(work, cancelled.is_set)
    settle(lambda: pool.stats().hits == 1)
    cancelled.set()
    with pytest.raises(JobCancelled):
        waiting.result(PATIENCE)
    release.set()
    loading.result(PATIENCE)
    assert [model.users for model in pool.stats().models] == [0]


def test_the_least_recently_used_makes_room() -> None:
    clock = Clock()
    pool = ModelPool(30, clock=clock)
    for key in ("a", "b", "c", "a"):
        clock.now += 1
        with pool.borrow(key, Model, 10):
            pass
    with pool.borrow("d", Model, 20):
        assert _loaded(pool) == ["a", "d"]
    assert pool.stats().evictions == 2


def test_what_is_in_use_stays_and_the_newcomer_waits(threads: ThreadPoolExecutor, settle: Settle) -> None:
    pool, done = ModelPool(30), threading.Event()

    def newcomer() -> list[object]:
        with pool.borrow("big", Model, 25):
            return _loaded(pool)

    with pool.borrow("small", Model, 10) as small:
        waiting = threads.submit(newcomer)
        settle(lambda: len(pool._line) == 1)
        assert _loaded(pool) == ["small"]
        assert isinstance(small, Model)
        done.set()
    assert waiting.result(PATIENCE) == ["big"]
    assert pool.stats().evictions == 1


def test_a_busy_model_cannot_keep_another_out_for_ever(threads: ThreadPoolExecutor, settle: Settle) -> None:
    pool, order = ModelPool(30), []

    def work(key: str, size: int) -> None:
        with pool.borrow(key, Model, size):
            order.append(key)

    with pool.borrow("busy", Model, 20):
        other = threads.submit(work, "other", 20)
        settle(lambda: len(pool._line) == 1)
        again = threads.submit(work, "busy", 20)  # it is in memory, but somebody was here before
        settle(lambda: len(pool._line) == 2)
    for finished in (other, again):
        finished.result(PATIENCE)
    assert order == ["other", "busy"]


def test_who_waits_for_memory_can_be_cancelled_and_lets_the_next_through(
    threads: ThreadPoolExecutor, settle: Settle
) -> None:
    pool, cancelled = ModelPool(30), threading.Event()

    def work(key: str, size: int, gone: Callable[[], bool] | None = None) -> str:
        with pool.borrow(key, Model, size, cancelled=gone):
            return key

    with pool.borrow("held", Model, 20):
        big = threads.submit(work, "big", 25, cancelled.is_set)
        settle(lambda: len(pool._line) == 1)
        small = threads.submit(work, "small", 5)
        settle(lambda: len(pool._line) == 2)
        cancelled.set()
        with pytest.raises(JobCancelled):
            big.result(PATIENCE)
        assert small.result(PATIENCE) == "small"


def test_a_model_larger_than_the_bound_is_refused_with_what_to_do() -> None:
    pool = ModelPool(10 * 1024**2)
    with (
        pytest.raises(ModelUnavailable, match=r"11 MiB.*10 MiB.*WOA_MODEL_MEMORY_BYTES"),
        pool.borrow("large", Model, 11 * 1024**2),
    ):
        raise AssertionError("it was lent")
    assert pool.stats().loads == 0


def test_what_leaves_is_really_gone() -> None:
    pool, gone = ModelPool(10), threading.Event()
    with pool.borrow("a", Model, 10) as model:
        weakref.finalize(model, gone.set)
    del model
    with pool.borrow("b", Model, 10):
        gc.collect()
        assert gone.is_set()


def test_idle_models_leave_and_used_ones_stay() -> None:
    clock = Clock()
    pool = ModelPool(100, idle_seconds=60, clock=clock)
    with pool.borrow("used", Model, 10):
        with pool.borrow("idle", Model, 10):
            pass
        clock.now += 59
        assert pool.unload_idle() == 0
        clock.now += 1
        assert pool.unload_idle() == 1
        assert _loaded(pool) == ["used"]
    assert pool.unload_idle() == 0  # its time counts from when it was given back
    clock.now += 60
    assert pool.unload_idle() == 1
    assert pool.stats().idle_unloads == 2
    pool.close()


def test_idle_models_leave_by_themselves_and_come_again() -> None:
    pool = ModelPool(100, idle_seconds=0.02)
    for _ in range(3):
        gone = threading.Event()
        with pool.borrow("a", Model, 10) as model:
            weakref.finalize(model, gone.set)
        del model
        assert gone.wait(PATIENCE)
    assert pool.stats().loads == 3


def test_with_no_idle_time_models_stay() -> None:
    clock = Clock()
    pool = ModelPool(100, idle_seconds=0, clock=clock)
    with pool.borrow("a", Model, 10):
        pass
    clock.now += 1e9
    assert pool.unload_idle() == 0
    assert _loaded(pool) == ["a"]


def test_closing_unloads_now_or_when_given_back() -> None:
    pool = ModelPool(100)
    with pool.borrow("unused", Model, 10):
        pass
    with pool.borrow("used", Model, 10) as model:
        pool.close()
        pool.close()
        assert _loaded(pool) == ["used"]
        assert isinstance(model, Model)
    assert _loaded(pool) == []
    with pytest.raises(ModelUnavailable, match="shutting down"), pool.borrow("used", Model, 10):
        raise AssertionError("it was lent")


def test_closing_turns_away_who_waits(threads: ThreadPoolExecutor, settle: Settle) -> None:
    pool = ModelPool(10)

    def work() -> None:
        with pool.borrow("other", Model, 10):
            raise AssertionError("it was lent")

    with pool.borrow("held", Model, 10):
        waiting = threads.submit(work)
        settle(lambda: len(pool._line) == 1)
        pool.close()
        with pytest.raises(ModelUnavailable):
            waiting.result(PATIENCE)


def test_the_work_s_own_error_passes_and_gives_the_model_back() -> None:
    pool = ModelPool(10)
    with pytest.raises(ZeroDivisionError), pool.borrow("a", Model, 10):
        raise ZeroDivisionError
    assert [model.users for model in pool.stats().models] == [0]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 30)), min_size=1, max_size=30))
def test_the_bound_holds_whatever_is_asked_for(asked: list[tuple[str, int]]) -> None:
    sizes: dict[str, int] = {}
    pool = ModelPool(30)
    for key, size in asked:
        with pool.borrow(key, Model, sizes.setdefault(key, size)):
            stats = pool.stats()
            assert sum(model.size_bytes for model in stats.models) <= 30
            assert key in _loaded(pool)
    stats = pool.stats()
    assert stats.loads + stats.hits == len(asked)
    assert stats.loads - stats.evictions == len(stats.models)


class PoolRules(RuleBasedStateMachine):
    """Borrowing, giving back and waiting in any order, against a model of what must be loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.pool = ModelPool(100, idle_seconds=10, clock=self.clock)
        self.held: list[tuple[str, object]] = []

    @rule(key=st.sampled_from("abc"))
    def borrow(self, key: str) -> None:
        lent = self.pool.borrow(key, Model, 20)
        lent.__enter__()
        self.held.append((key, lent))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        _, lent = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        lent.__exit__(None, None, None)  # type: ignore[attr-defined]

    @rule(seconds=st.floats(0, 20))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds
        self.pool.unload_idle()

    @invariant()
    def users_are_counted_and_their_models_loaded(self) -> None:
        keys = [key for key, _ in self.held]
        loaded = {model.key: model.users for model in self.pool.stats().models}
        assert set(keys) <= set(loaded)
        assert all(users == keys.count(str(key)) for key, users in loaded.items())

    def teardown(self) -> None:
        for _, lent in self.held:
            lent.__exit__(None, None, None)  # type: ignore[attr-defined]
        self.pool.close()


TestPoolRules = PoolRules.TestCase
