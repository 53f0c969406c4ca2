"""The informer, when events are dropped, repeated, reordered, or lists are old."""

import asyncio
import random
from collections.abc import Callable

import pytest
from fakes.cluster import FakeCluster, Fault
from fakes.followed import World, config_map, running
from fakes.timing import settle
from hypothesis import given, settings
from hypothesis import strategies as st

from inferfleet import errors
from inferfleet.kube.cluster import WatchEvent
from inferfleet.kube.informer import RELIST_SECONDS
from inferfleet.kube.kinds import CONFIG_MAP, Obj


async def test_a_dropped_event_is_made_up_for_by_the_periodic_list() -> None:
    world = World()
    world.cluster.put(config_map("a"))
    async with running(world):
        world.cluster.on_event = lambda event: ()
        world.cluster.put(config_map("b"))
        world.cluster.remove(CONFIG_MAP, "n", "a")
        await settle()
        assert not world.is_exact()
        world.cluster.on_event = lambda event: (event,)
        await world.time.advance(RELIST_SECONDS)
        world.cluster.bookmark()
        await world.time.advance(5)
        assert world.is_exact()


async def test_events_that_come_twice_change_nothing() -> None:
    world = World()
    async with running(world):
        world.cluster.on_event = lambda event: (event, event)
        world.cluster.put(config_map("a"))
        world.cluster.put(config_map("a", v="2"))
        world.cluster.remove(CONFIG_MAP, "n", "a")
        await settle()
        assert world.told == [("appeared", "a"), ("changed", "a"), ("went", "a")]


async def test_events_that_come_late_change_nothing() -> None:
    world = World()
    seen: list[WatchEvent] = []

    def late(event: WatchEvent) -> tuple[WatchEvent, ...]:
        seen.append(event)
        return (event, *seen[:-1])  # the whole past again after each event

    async with running(world):
        world.cluster.on_event = late
        world.cluster.put(config_map("a"))
        world.cluster.put(config_map("a", v="2"))
        world.cluster.remove(CONFIG_MAP, "n", "a")
        world.cluster.put(config_map("a", v="3"))
        await settle()
        assert world.told == [("appeared", "a"), ("changed", "a"), ("went", "a"), ("appeared", "a")]
        assert world.is_exact()


class LaggingCluster(FakeCluster):
    """Lists an older state for a while, as a server behind a slow cache does."""

    def __init__(self) -> None:
        super().__init__()
        self.old_lists = 0
        self.old: list[Obj] = []
        self.old_version = ""

    async def list(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        listing = await super().list(*args, **kwargs)
        if self.old_lists > 0:
            self.old_lists -= 1
            return type(listing)(self.old, self.old_version)
        return listing


@pytest.mark.parametrize(("old_lists", "told"), [(3, []), (10**6, [("went", "b"), ("changed", "a")])])
async def test_an_older_list_is_not_believed_unless_the_server_insists(
    old_lists: int, told: list[tuple[str, str]]
) -> None:
    cluster = LaggingCluster()
    world = World(cluster)
    cluster.old = [cluster.put(config_map("a"))]
    cluster.old_version = str(cluster.version)
    cluster.put(config_map("a", v="2"))
    cluster.put(config_map("b"))
    async with running(world):
        world.told.clear()
        cluster.old_lists = old_lists
        cluster.cut_watches(errors.Gone("restarted"))
        await world.time.advance(300)
        assert world.told[: len(told) or None] == told


def disturb(cluster: FakeCluster, rng: random.Random) -> None:
    name = rng.choice("abc")
    error = rng.choice([None, errors.Gone("410"), errors.Transient("500")])
    doings: list[Callable[[], object]] = [
        lambda: cluster.put(config_map(name, v=str(rng.random()))),
        lambda: cluster.put(config_map(name, v=str(rng.random()))),
        lambda: cluster.remove(CONFIG_MAP, "n", name),
        lambda: cluster.cut_watches(error),
        cluster.compact,
        lambda: cluster.errors.append(Fault(errors.Transient("503"), times=rng.randint(1, 3))),
    ]
    rng.choice(doings)()


@given(st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_whatever_happens_to_events_and_watches_it_is_exact_in_the_end(seed: int) -> None:
    rng = random.Random(seed)

    async def play() -> None:
        world = World()
        cluster = world.cluster
        past: list[WatchEvent] = []

        def mangled(event: WatchEvent) -> list[WatchEvent]:
            past.append(event)
            return rng.choice([[], [event], [event], [event, event], [event, *rng.sample(past, min(3, len(past)))]])

        cluster.on_event = mangled
        async with running(world):
            for _ in range(40):
                disturb(cluster, rng)
                await world.time.advance(rng.choice([0.0, 0.5, 2.0]))
            cluster.on_event = lambda event: (event,)
            cluster.errors.clear()
            await world.time.advance(RELIST_SECONDS)
            cluster.bookmark()
            await world.time.advance(60)
            assert world.is_exact()

    asyncio.run(play())
