"""Leader election: several replicas on one fake cluster, each with a clock of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from fakes.cluster import FakeCluster, Fault
from fakes.objects import config_map
from fakes.timing import FakeTime, settle

from inferfleet import errors
from inferfleet.kube.election import RENEW_DEADLINE_SECONDS, Candidate, LeaderElector
from inferfleet.kube.fence import FencedCluster
from inferfleet.kube.kinds import LEASE, Obj

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Replica:
    """An operator that does nothing but lead."""

    def __init__(self, cluster: FakeCluster, time: FakeTime, identity: str, skew: float = 0.0) -> None:
        self.working = False
        self.starts = 0
        self.elector = LeaderElector(
            cluster,
            Candidate("system", "inferfleet", identity),
            time.timing(),
            lambda: NOON + timedelta(seconds=time.now + skew),
        )
        self.task: asyncio.Future[None] = asyncio.ensure_future(self.elector.run(self.work))

    async def work(self) -> None:
        self.starts += 1
        self.working = True
        try:
            await asyncio.Event().wait()
        finally:
            self.working = False

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait((self.task,))


@asynccontextmanager
async def replicas(cluster: FakeCluster, time: FakeTime, *identities: str) -> AsyncIterator[list[Replica]]:
    started = []
    for identity in identities:
        started.append(Replica(cluster, time, identity))
        await settle()
    yield started
    for replica in started:
        await replica.stop()


def lease_of(cluster: FakeCluster) -> Obj:
    lease = cluster.peek(LEASE, "system", "inferfleet")
    assert lease is not None
    return dict(lease["spec"])


async def test_the_first_leads_and_goes_on_leading() -> None:
    cluster, time = FakeCluster(), FakeTime()
    async with replicas(cluster, time, "a", "b") as (a, b):
        for _ in range(60):
            await time.advance(1)
            assert (a.elector.is_leader(), b.elector.is_leader()) == (True, False)
        assert (a.working, a.starts, b.starts) == (True, 1, 0)
        assert lease_of(cluster)["holderIdentity"] == "a"
        assert lease_of(cluster)["leaseTransitions"] == 1


async def test_renewing_costs_one_write_every_two_seconds_and_no_read() -> None:
    cluster, time = FakeCluster(), FakeTime()
    async with replicas(cluster, time, "a"):
        cluster.errors.append(Fault(errors.Transient("no read needed"), verb="get"))
        before = len(cluster.writes)
        await time.advance(60)
        assert len(cluster.writes) - before == 30
        assert cluster.errors


async def test_a_leader_that_stops_hands_over_within_two_seconds() -> None:
    cluster, time = FakeCluster(), FakeTime()
    async with replicas(cluster, time, "a", "b") as (a, b):
        await time.advance(5)
        await a.stop()
        assert not a.working
        assert lease_of(cluster)["holderIdentity"] == ""
        await time.advance(2)
        assert b.elector.is_leader()
        assert b.working


async def test_a_leader_that_crashes_is_followed_within_seventeen_seconds_and_not_before_it_stopped() -> None:
    cluster, time, its_time = FakeCluster(), FakeTime(), FakeTime()
    a = Replica(cluster, its_time, "a")
    await settle()
    async with replicas(cluster, time, "b") as (b,):
        await time.advance(14.9)  # the clock of `a` stands still: it renews no more
        assert not b.elector.is_leader()
        await time.advance(2.1)
        assert b.elector.is_leader()
        its_time.jump(17)
        assert not a.elector.is_leader()
        await a.stop()


@pytest.mark.parametrize("skew", [-86400.0, -3600.0, 3600.0, 86400.0])
async def test_wall_clocks_that_differ_elect_nobody(skew: float) -> None:
    cluster, time = FakeCluster(), FakeTime()
    async with replicas(cluster, time, "a") as (a,):
        other = Replica(cluster, time, "b", skew)
        await time.advance(120)
        assert (a.elector.is_leader(), other.elector.is_leader()) == (True, False)
        await other.stop()


async def test_a_leader_that_cannot_renew_stops_at_its_deadline() -> None:
    cluster, time = FakeCluster(), FakeTime()
    async with replicas(cluster, time, "a") as (a,):
        cluster.errors.append(Fault(errors.Transient("down", status=503), times=10**6))
        await time.advance(RENEW_DEADLINE_SECONDS - 0.1)
        assert a.working
        await time.advance(0.2)
        assert (a.elector.is_leader(), a.working) == (False, False)
        cluster.errors.clear()
        await time.advance(3)
        assert (a.elector.is_leader(), a.working, a.starts) == (True, True, 2)


async def test_a_leader_that_was_paused_wakes_up_as_no_leader_and_writes_nothing() -> None:
    cluster, time, slow = FakeCluster(), FakeTime(), FakeTime()
    a = Replica(cluster, slow, "a")
    await settle()
    async with replicas(cluster, time, "b") as (b,):
        await time.advance(20)
        assert b.elector.is_leader()
        slow.jump(60)
        fenced = FencedCluster(cluster, a.elector.is_leader)
        sent = len(cluster.writes)
        for write in (
            lambda: fenced.apply(config_map("n"), "m"),
            lambda: fenced.apply_status(config_map("n"), "m"),
            lambda: fenced.create(config_map("n")),
            lambda: fenced.replace(config_map("n")),
            lambda: fenced.delete(LEASE, "n", "x"),
        ):
            with pytest.raises(errors.Transient, match="does not lead"):
                await write()
        assert len(cluster.writes) == sent
        await slow.advance(5)
        assert not a.working
        assert lease_of(cluster)["holderIdentity"] == "b"
        await a.stop()
        assert lease_of(cluster)["holderIdentity"] == "b", "it gave back what was not its own"


async def test_a_leader_writes_through_the_fence() -> None:
    cluster, time = FakeCluster(), FakeTime()
    async with replicas(cluster, time, "a") as (a,):
        await FencedCluster(cluster, a.elector.is_leader).apply(config_map("n", a="1"), "m")
        assert cluster.writes[-1].verb == "apply"


async def test_a_renewal_whose_answer_was_lost_does_not_cost_the_lead() -> None:
    cluster, time = FakeCluster(), FakeTime()
    async with replicas(cluster, time, "a", "b") as (a, b):
        cluster.errors.append(Fault(errors.Transient("reset by peer"), verb="replace", after=True))
        await time.advance(4.5)
        assert not cluster.errors
        assert (a.starts, a.working, b.starts) == (1, True, 0)
        await time.advance(30)
        assert (a.starts, a.working, b.starts) == (1, True, 0)


async def test_a_lease_that_somebody_deletes_or_empties_is_taken_again_by_its_leader() -> None:
    cluster, time = FakeCluster(), FakeTime()
    async with replicas(cluster, time, "a", "b") as (a, b):
        cluster.remove(LEASE, "system", "inferfleet")
        await time.advance(2)
        leaders = [r for r in (a, b) if r.elector.is_leader()]
        assert len(leaders) == 1
        cluster.edit(LEASE, "system", "inferfleet", lambda lease: lease.update(spec={}))
        await time.advance(30)
        assert [r.working for r in (a, b)].count(True) == 1


async def test_a_lease_taken_by_force_ends_the_lead_at_the_next_renewal() -> None:
    cluster, time = FakeCluster(), FakeTime()
    async with replicas(cluster, time, "a") as (a,):
        cluster.edit(LEASE, "system", "inferfleet", lambda lease: lease["spec"].update(holderIdentity="x"))
        await time.advance(2)
        assert (a.elector.is_leader(), a.working) == (False, False)


async def test_no_two_lead_at_once_whatever_fails() -> None:
    cluster, time = FakeCluster(), FakeTime()
    async with replicas(cluster, time, "a", "b", "c") as three:
        for second in range(300):
            if second % 7 == 0:
                cluster.errors.append(Fault(errors.Transient("lost"), verb="replace", times=4, after=second % 2 == 0))
            await time.advance(1)
            assert sum(r.elector.is_leader() for r in three) <= 1
            assert sum(r.working for r in three) <= 1
        cluster.errors.clear()
        await time.advance(20)
        assert sum(r.working for r in three) == 1


async def test_work_that_ends_by_itself_ends_the_run_and_gives_the_lease_back() -> None:
    cluster, time = FakeCluster(), FakeTime()
    elector = LeaderElector(cluster, Candidate("system", "inferfleet", "a"), time.timing())

    async def fail() -> None:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        await elector.run(fail)
    assert not elector.is_leader()
    assert lease_of(cluster)["holderIdentity"] == ""
