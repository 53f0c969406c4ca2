"""The informer, over the fake cluster and a clock of ours: following, errors, absent kinds."""

import pytest
from fakes.cluster import FakeCluster, Fault
from fakes.followed import World, config_map, running
from fakes.timing import settle

from inferfleet import errors
from inferfleet.kube.kinds import CONFIG_MAP


async def test_it_holds_what_was_there_and_follows_what_comes() -> None:
    world = World()
    world.cluster.put(config_map("a", v="1"))
    async with running(world):
        assert world.informer.synced.is_set()
        world.cluster.put(config_map("b"))
        world.cluster.put(config_map("a", v="2"))
        world.cluster.remove(CONFIG_MAP, "n", "b")
        await settle()
        assert world.told == [("appeared", "a"), ("appeared", "b"), ("changed", "a"), ("went", "b")]
        assert world.is_exact()
        held = world.informer.get("n", "a")
        assert held is not None
        assert held["data"] == {"v": "2"}
        assert "managedFields" not in held["metadata"]


async def test_what_was_deleted_while_the_watch_was_down_is_noticed() -> None:
    world = World()
    for name in "abc":
        world.cluster.put(config_map(name))
    async with running(world):
        world.cluster.cut_watches(errors.Transient("connection lost"))
        world.cluster.remove(CONFIG_MAP, "n", "a")
        world.cluster.put(config_map("b", v="2"))
        world.cluster.compact()
        await world.time.advance(10)
        assert world.told[3:] == [("went", "a"), ("changed", "b")]
        assert world.is_exact()


async def test_an_expired_history_makes_it_list_again_and_tell_only_differences() -> None:
    world = World()
    world.cluster.put(config_map("a"))
    async with running(world):
        world.cluster.put(config_map("b"))
        await settle()
        world.cluster.cut_watches(errors.Gone("too old resource version"))
        await world.time.advance(5)
        assert world.told == [("appeared", "a"), ("appeared", "b")]
        world.cluster.put(config_map("c"))
        await settle()
        assert world.names() == ["a", "b", "c"]


async def test_a_watch_that_ends_cleanly_goes_on_from_where_it_was() -> None:
    world = World()
    async with running(world):
        world.cluster.cut_watches()
        world.cluster.put(config_map("a"))
        world.cluster.errors.append(Fault(errors.Transient("no list needed"), verb="list"))
        await world.time.advance(5)
        assert world.names() == ["a"]
        assert len(world.cluster.errors) == 1, "it listed again"


@pytest.mark.parametrize(
    "error",
    [
        errors.Transient("500", status=500),
        errors.Transient("429", status=429),
        errors.Rejected("403", status=403),
        errors.Gone("410", status=410),
        errors.Transient("401", status=401),
    ],
    ids=lambda error: error.message,
)
@pytest.mark.parametrize("verb", ["list", "watch"])
async def test_no_error_ends_it_and_it_heals(error: errors.ApiError, verb: str) -> None:
    world = World()
    world.cluster.errors.append(Fault(error, verb=verb, times=10))
    async with running(world):
        await world.time.advance(400)
        assert not world.cluster.errors
        world.cluster.put(config_map("a"))
        await settle()
        assert world.is_exact()


async def test_errors_are_met_with_growing_pauses_up_to_thirty_seconds() -> None:
    world = World()
    world.cluster.errors.append(Fault(errors.Transient("down", status=503), times=10**6))
    async with running(world):
        fault = world.cluster.errors[0]
        pauses = []
        for _ in range(8):
            before = fault.times
            began = world.time.now
            while fault.times == before:
                await world.time.advance(world.time.until_next())
            pauses.append(world.time.now - began)
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 30, 30, 30])


async def test_the_servers_wish_for_patience_is_granted() -> None:
    world = World()
    world.cluster.errors.append(Fault(errors.Transient("busy", status=429, retry_after=77.0), verb="list"))
    async with running(world):
        await world.time.advance(76)
        assert not world.informer.synced.is_set()
        await world.time.advance(2)
        assert world.informer.synced.is_set()


class HastyCluster(FakeCluster):
    """Closes each watch as soon as it is open."""

    def __init__(self) -> None:
        super().__init__()
        self.watches = 0

    async def watch(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        self.watches += 1
        return
        yield


async def test_a_server_that_closes_each_watch_at_once_is_asked_once_a_second() -> None:
    cluster = HastyCluster()
    world = World(cluster)
    async with running(world):
        await world.time.advance(20)
        assert cluster.watches == 21


async def test_a_kind_that_is_absent_empties_it_and_is_asked_for_until_it_is_there() -> None:
    world = World()
    world.cluster.put(config_map("a"))
    async with running(world):
        world.cluster.absent_kinds.add(CONFIG_MAP)
        world.cluster.cut_watches()
        await world.time.advance(30)
        assert world.told == [("appeared", "a"), ("went", "a")]
        assert world.names() == []
        world.cluster.absent_kinds.clear()
        await world.time.advance(10)
        assert world.names() == ["a"]


async def test_a_kind_that_was_never_there_does_not_count_as_synced() -> None:
    world = World()
    world.cluster.absent_kinds.add(CONFIG_MAP)
    async with running(world):
        await world.time.advance(60)
        assert not world.informer.synced.is_set()


async def test_it_knows_when_it_last_heard_of_the_server() -> None:
    world = World()
    assert world.informer.last_contact == float("-inf")
    async with running(world):
        began = world.time.now
        assert world.informer.last_contact == began
        await world.time.advance(50)
        assert world.informer.last_contact == began
        world.cluster.bookmark()
        await settle()
        assert world.informer.last_contact == began + 50
