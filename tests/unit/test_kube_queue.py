"""The work queue and its workers."""

import asyncio
import logging

import pytest
from fakes.timing import FakeTime, settle
from hypothesis import given
from hypothesis import strategies as st

from inferfleet import errors
from inferfleet.kube.queue import MAX_RETRY_SECONDS, Priority, WorkQueue, work
from inferfleet.kube.timing import backoff


async def take(queue: WorkQueue[str]) -> str:
    async with asyncio.timeout(10):
        return await queue.get()


async def is_empty(queue: WorkQueue[str]) -> bool:
    waiter = asyncio.ensure_future(queue.get())
    await settle()
    empty = not waiter.done()
    waiter.cancel()
    await asyncio.wait((waiter,))
    return empty


async def test_a_key_added_often_is_handed_out_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for _ in range(5):
        queue.add("a")
    assert len(queue) == 1
    assert await take(queue) == "a"
    queue.done("a")
    assert await is_empty(queue)


async def test_urgent_keys_come_first_and_equals_in_their_order() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key, priority in (("r", Priority.RESYNC), ("c1", Priority.CHILD), ("u", Priority.USER), ("c2", Priority.CHILD)):
        queue.add(key, priority)
    assert [await take(queue) for _ in range(4)] == ["u", "c1", "c2", "r"]


async def test_a_more_urgent_wish_moves_a_key_forward_and_a_lesser_one_does_not_move_it_back() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a", Priority.RESYNC)
    queue.add("b", Priority.CHILD)
    queue.add("a", Priority.USER)
    queue.add("a", Priority.RESYNC)
    assert [await take(queue), await take(queue)] == ["a", "b"]
    assert await is_empty(queue)


async def test_a_key_in_hands_is_not_handed_out_again_until_it_is_done() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await take(queue)
    queue.add("a", Priority.RESYNC)
    queue.add("a", Priority.USER)
    assert await is_empty(queue)
    queue.done("a")
    assert await take(queue) == "a"
    queue.done("a")
    assert await is_empty(queue)


async def test_of_several_delays_the_earliest_counts() -> None:
    time = FakeTime()
    queue: WorkQueue[str] = WorkQueue(time.timing())
    for delay in (30.0, 10.0, 20.0):
        queue.add_after("a", delay)
    await time.advance(9.9)
    assert len(queue) == 0
    await time.advance(0.2)
    assert await take(queue) == "a"
    queue.done("a")
    await time.advance(60)
    assert len(queue) == 0


async def test_retries_wait_longer_each_time_until_the_key_is_forgotten() -> None:
    time = FakeTime()
    queue: WorkQueue[str] = WorkQueue(time.timing())
    waits = []
    for _ in range(20):
        queue.retry("a")
        waits.append(time.until_next())
        await time.advance(waits[-1])
        queue.done(await take(queue))
    assert waits[:3] == pytest.approx([0.005, 0.01, 0.02])
    assert waits[-1] == pytest.approx(MAX_RETRY_SECONDS)
    queue.forget("a")
    queue.retry("a")
    assert time.until_next() == pytest.approx(0.005)


async def test_a_retry_waits_as_long_as_the_server_asked() -> None:
    time = FakeTime()
    queue: WorkQueue[str] = WorkQueue(time.timing())
    queue.retry("a", at_least=7.0)
    await time.advance(6.9)
    assert len(queue) == 0
    await time.advance(0.2)
    assert len(queue) == 1


async def test_a_retry_keeps_the_urgency_of_its_key() -> None:
    time = FakeTime()
    queue: WorkQueue[str] = WorkQueue(time.timing())
    queue.add("user", Priority.USER)
    await take(queue)
    queue.retry("user")
    queue.done("user")
    queue.add("child", Priority.CHILD)
    await time.advance(1)
    assert await take(queue) == "user"


@given(st.integers(1, 10**6), st.floats(0, 1, exclude_max=True))
def test_backoff_stays_between_half_of_what_it_should_be_and_its_cap(attempt: int, jitter: float) -> None:
    seconds = backoff(attempt, base=0.005, cap=300.0, jitter=jitter)
    full = min(300.0, 0.005 * 2.0 ** min(attempt - 1, 60))
    assert full / 2 <= seconds <= full


OPERATION = st.one_of(
    st.tuples(st.just("add"), st.sampled_from("abc"), st.sampled_from(Priority)),
    st.tuples(st.just("get"), st.none(), st.none()),
    st.tuples(st.just("done"), st.sampled_from("abc"), st.none()),
)


@given(st.lists(OPERATION, max_size=60))
def test_any_history_hands_out_what_was_wanted_and_never_twice_at_once(
    history: list[tuple[str, str | None, Priority | None]],
) -> None:
    """Against a model: wanted keys with their best priority, and keys in hands."""

    async def play() -> None:
        queue: WorkQueue[str] = WorkQueue()
        wanted: dict[str, Priority] = {}
        again: dict[str, Priority] = {}
        held: set[str] = set()
        for operation, key, priority in history:
            if operation == "add" and key is not None and priority is not None:
                queue.add(key, priority)
                target = again if key in held else wanted
                target[key] = min(priority, target.get(key, priority))
            elif operation == "get" and wanted:
                best = min(wanted.values())
                taken = await take(queue)
                assert taken not in held
                assert wanted.pop(taken) == best
                held.add(taken)
            elif operation == "done" and key in held:
                queue.done(key)
                held.remove(key)
                if key in again:
                    wanted[key] = again.pop(key)
            assert len(queue) == len(wanted)

    asyncio.run(play())


class Worker:
    """A handler that does as it is told, in turn."""

    def __init__(self, *outcomes: Exception | float | None) -> None:
        self.outcomes = list(outcomes)
        self.handled: list[str] = []
        self.failed: list[Exception] = []

    async def handle(self, key: str) -> float | None:
        self.handled.append(key)
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def on_error(self, key: str, error: Exception) -> None:
        self.failed.append(error)


async def run_for(worker: Worker, seconds: float) -> None:
    time = FakeTime()
    queue: WorkQueue[str] = WorkQueue(time.timing())
    queue.add("a")
    task = asyncio.ensure_future(work(queue, worker.handle, 3, worker.on_error))
    await time.advance(seconds)
    assert not task.done()
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()


async def test_passing_trouble_is_retried_quietly(caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker(errors.Transient("busy"), errors.Conflict("stale"))
    await run_for(worker, 1)
    assert worker.handled == ["a"] * 3
    assert [type(e) for e in worker.failed] == [errors.Transient, errors.Conflict]
    assert not caplog.records


async def test_a_bug_is_logged_with_its_traceback_and_ends_no_worker(caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker(ZeroDivisionError("a bug"), errors.Rejected("forbidden"))
    with caplog.at_level(logging.ERROR):
        await run_for(worker, 1)
    assert worker.handled == ["a"] * 3
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


async def test_a_handler_that_names_a_delay_is_called_again_after_it() -> None:
    worker = Worker(30.0)
    await run_for(worker, 29)
    assert worker.handled == ["a"]
    worker = Worker(30.0)
    await run_for(worker, 31)
    assert worker.handled == ["a", "a"]


async def test_a_server_that_asks_for_patience_gets_it() -> None:
    worker = Worker(errors.Transient("busy", retry_after=20.0))
    await run_for(worker, 19)
    assert worker.handled == ["a"]


async def test_one_key_is_never_worked_on_twice_at_once() -> None:
    queue: WorkQueue[int] = WorkQueue()
    running: set[int] = set()
    finished: list[int] = []

    async def handle(key: int) -> None:
        assert key not in running
        running.add(key)
        await asyncio.sleep(0)
        queue.add(key % 3) if len(finished) < 100 else None
        await asyncio.sleep(0)
        running.remove(key)
        finished.append(key)

    failures: list[Exception] = []
    task = asyncio.ensure_future(work(queue, handle, 8, lambda key, e: failures.append(e)))
    for key in range(9):
        queue.add(key)
    async with asyncio.timeout(30):
        while len(finished) < 100:
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    assert not failures
