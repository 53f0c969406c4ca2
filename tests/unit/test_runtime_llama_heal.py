import asyncio
from contextlib import asynccontextmanager

import pytest
from fakes.backend import FakeBackend
from waiting import until

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.hosts.backend import BackendError, UnsentError
from inferfleet_runtime.hosts.heal import Patience, healed

QUICK = Patience(losses=2, within=100.0, look_every=0.01, load_within=20.0)


class Engine(FakeBackend):
    """Dies when the test says so."""

    def __init__(self, loads=True):
        super().__init__(slots=2)
        self.dead, self.closed, self.loads, self.counted = asyncio.Event(), False, loads, 1.0
        self.deaf = 0
        self.loading = asyncio.Event()
        self.loading.set()

    @asynccontextmanager
    async def post(self, path, body, salt=""):
        assert not self.closed, "an engine that has been ended is asked"
        if self.dead.is_set() or self.trouble:
            self.deaf += 1
            raise UnsentError("nobody listens")
        async with super().post(path, body, salt) as reply:
            yield reply

    async def load(self):
        await self.loading.wait()
        if not self.loads:
            raise CommandError("the engine could not load the model: it is gone")

    async def ended(self):
        await self.dead.wait()
        raise CommandError("the engine ended: killed")

    def counters(self):
        return {"tokens": self.counted}


class House:
    """Starts engines, one after the other, and remembers them."""

    def __init__(self, *ready):
        self.ready, self.started, self.time, self.seen = list(ready), [], 0.0, []

    def now(self):
        return self.time

    @asynccontextmanager
    async def start(self):
        assert all(engine.closed for engine in self.started), "two engines at once"
        engine = self.ready.pop(0) if self.ready else Engine()
        self.started.append(engine)
        try:
            yield engine
        finally:
            engine.closed = True

    @asynccontextmanager
    async def serving(self, patience=QUICK):
        async with healed(self.start, self.now, patience) as backend:
            await backend.load()
            backend.heals, backend.changed = True, self.seen.append
            watching = asyncio.create_task(backend.ended())
            try:
                yield backend, watching
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
        assert all(engine.closed for engine in self.started)


async def test_a_lost_engine_is_started_again_and_serves():
    house = House()
    async with house.serving() as (backend, _):
        house.started[0].dead.set()
        await until(lambda: house.seen == [False, True])
        assert await ask(backend) == 200
        assert len(house.started) == 2
        assert house.started[1].bodies


async def test_an_engine_that_hangs_is_lost_too():
    house = House()
    async with house.serving():
        house.started[0].trouble = "it has not answered for 11 s and does nothing"
        await until(lambda: house.seen == [False, True])
        assert house.started[0].closed


async def ask(backend):
    async with backend.post("/v1/completions", {"prompt": "a", "max_tokens": 1}) as reply:
        await reply.read()
        return reply.status


async def test_while_it_is_started_again_requests_wait_and_the_pod_lives():
    house = House(Engine(), slow := Engine())
    slow.loading.clear()
    async with house.serving() as (backend, _):
        house.started[0].dead.set()
        await until(lambda: house.seen == [False])
        assert backend.problem() == ""
        stays, goes = (asyncio.create_task(ask(backend)) for _ in range(2))
        await until(lambda: len(house.started) == 2)
        assert slow.bodies == []
        goes.cancel()
        await asyncio.wait({goes})
        slow.loading.set()
        assert await asyncio.wait_for(stays, 60) == 200
        assert len(slow.bodies) == 1


async def test_a_request_that_a_dying_engine_never_got_is_sent_to_the_next():
    house = House()
    async with house.serving() as (backend, _):
        first = house.started[0]
        first.trouble = "it has not answered for 11 s and does nothing"
        assert await asyncio.wait_for(ask(backend), 60) == 200
        assert first.deaf >= 1
        assert len(house.started[1].bodies) == 1


async def test_a_request_that_an_engine_has_begun_with_fails_with_it():
    house = House()
    async with house.serving() as (backend, _):
        first = house.started[0]
        first.dies_at_token = 0
        with pytest.raises(BackendError, match="reset"):
            await ask(backend)
        assert len(first.bodies) == 1


async def test_an_engine_that_takes_no_request_and_is_not_lost_fails_them_in_the_end():
    house = House()
    async with healed(house.start, house.now, QUICK) as backend:
        house.started[0].trouble = "nobody looks at this"
        asking = asyncio.create_task(ask(backend))
        await until(lambda: house.started[0].deaf)
        house.time += 2 * QUICK.notice_within
        with pytest.raises(UnsentError):
            await asyncio.wait_for(asking, 60)


@pytest.mark.parametrize("end", ["it cannot be loaded", "nobody heals any more"])
async def test_who_waits_for_an_engine_that_will_not_come_is_told(end):
    house = House(Engine(), last := Engine(loads=False))
    last.loading.clear()
    async with house.serving() as (backend, watching):
        house.started[0].dead.set()
        await until(lambda: house.seen == [False])
        asking = asyncio.create_task(ask(backend))
        await asyncio.sleep(0)
        if end == "it cannot be loaded":
            last.loading.set()
        else:
            watching.cancel()
        with pytest.raises(BackendError, match="not started again"):
            await asyncio.wait_for(asking, 60)


async def test_an_engine_that_works_serves_on_when_nobody_heals_any_more():
    house = House()
    async with house.serving() as (backend, watching):
        watching.cancel()
        await asyncio.wait({watching})
        assert await ask(backend) == 200


async def test_an_engine_lost_again_and_again_is_given_up():
    house = House()
    async with house.serving() as (backend, watching):
        for index in range(3):
            await until(lambda index=index: len(house.seen) == 2 * index)
            house.started[index].dead.set()
        with pytest.raises(CommandError, match="killed"):
            await asyncio.wait_for(watching, 60)
        assert len(house.started) == 3
        with pytest.raises(BackendError, match="not started again"):
            await ask(backend)


async def test_losses_long_ago_do_not_count():
    house = House()
    async with house.serving() as (_, watching):
        for index in range(5):
            await until(lambda index=index: len(house.seen) == 2 * index)
            house.time += 60.0
            house.started[index].dead.set()
        await until(lambda: len(house.seen) == 10)
        assert not watching.done()


async def test_a_model_that_can_no_more_be_loaded_is_the_end():
    house = House(Engine(), Engine(loads=False))
    async with house.serving() as (_, watching):
        house.started[0].dead.set()
        with pytest.raises(CommandError, match="it is gone"):
            await asyncio.wait_for(watching, 60)
        assert house.seen == [False]


async def test_before_it_has_served_a_loss_is_final():
    house = House()
    async with healed(house.start, house.now, QUICK) as backend:
        house.started[0].dead.set()
        with pytest.raises(CommandError, match="killed"):
            await asyncio.wait_for(backend.ended(), 60)
    assert len(house.started) == 1


async def test_what_was_counted_is_not_lost_with_the_engine():
    house = House()
    async with house.serving() as (backend, _):
        house.started[0].counted = 41.0
        house.started[0].dead.set()
        await until(lambda: house.seen == [False, True])
        assert backend.counters() == {"tokens": 42.0}
