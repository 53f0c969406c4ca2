"""Requests go where the fewest prompt tokens are to be read: what a replica counts as unread, and who is picked."""

from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulating import ENGINE, Scripted, a_pool, a_trace

from inferfleet.sim.book import Book
from inferfleet.sim.replica import Replica
from inferfleet.sim.result import Result
from inferfleet.sim.router import Dispatcher
from inferfleet.sim.run import simulate
from inferfleet.sim.types import BLOCK_TOKENS, Engine, Policy, Request, Router, Settings, Trace

TIGHT = Engine(0.01, 0.0003, 20_000, kv_tokens=9_000, per_context_token=1e-7, chunk=512, slots=16)
LONG = 16 * BLOCK_TOKENS


def _book(trace: Trace, ranks: int = 1) -> Book:
    return Book(
        at=trace.at.tolist(),
        input=trace.input.tolist(),
        output=trace.output.tolist(),
        prefix=trace.prefix,
        rank=[number % ranks for number in range(len(trace))],
        ranks=ranks,
        first=[nan] * len(trace),
        finish=[nan] * len(trace),
    )


def _serve(replica: Replica, trace: Trace) -> None:
    """To the end of the last request; nothing may ever be unread below zero."""
    for number, at in enumerate([*trace.at.tolist(), inf]):
        while replica.due <= at and replica.due < inf:
            replica.advance()
            assert replica.unread >= 0
            assert (replica.unread == 0) or replica.outstanding
        if number < len(trace):
            replica.arrive(number, at)


def _run(trace: Trace, start: int, policy: Policy, engine: Engine = ENGINE) -> Result:
    told = Settings(start={"gpu": start}, router=Router(policy))
    return simulate(trace, [a_pool(engine=engine)], Scripted(), told)


@given(
    seed=st.integers(0, 1000),
    count=st.integers(1, 80),
    rate=st.floats(0.5, 30.0),
    ranks=st.integers(1, 2),
    shared=st.integers(0, 4),
    engine=st.sampled_from([TIGHT, replace(TIGHT, ahead=True), ENGINE]),
)
@settings(max_examples=60, deadline=None)
def test_nothing_is_unread_once_all_is_done(
    seed: int, count: int, rate: float, ranks: int, shared: int, engine: Engine
) -> None:
    trace = a_trace(seed, count, rate)
    if shared:
        blocks = (trace.input // BLOCK_TOKENS).tolist()
        prefix = tuple(tuple(100 * (i % shared) + block for block in range(n)) for i, n in enumerate(blocks))
        trace = replace(trace, prefix=prefix)
    book = _book(trace, ranks)
    replica = Replica(0, a_pool(engine=engine), 0.0, 0.0, book)
    _serve(replica, trace)
    assert replica.unread == replica.outstanding == 0
    assert np.isfinite(book.finish).all()


def test_nothing_is_unread_once_all_is_done_also_where_many_were_preempted() -> None:
    trace = a_trace(3, 200, rate=7.0)
    replica = Replica(0, a_pool(engine=TIGHT), 0.0, 0.0, _book(trace))
    _serve(replica, trace)
    assert replica.counters.preempted > 10
    assert replica.unread == 0


def test_what_is_unread_is_the_prompts_that_came_until_their_chunks_are_read() -> None:
    trace = Trace.of([Request(0.0, 5000, 10), Request(0.0, 300, 10)])
    replica = Replica(0, a_pool(engine=replace(ENGINE, chunk=2048)), 0.0, 0.0, _book(trace))
    for number in range(2):
        replica.arrive(number, 0.0)
    left = [replica.unread]
    while replica.due < inf and replica.unread:
        replica.advance()
        left.append(replica.unread)
    assert left == [5300, 5300 - 2048, 5300 - 2 * 2048, 0]


def test_a_request_avoids_the_replica_that_reads_a_long_prompt() -> None:
    """One reads a long prompt, the other answers three short ones: fewest in flight is the slow one."""
    trace = Trace.of(
        [
            Request(0.0, LONG, 50),
            *(Request(0.1 + 0.1 * i, 50, 400) for i in range(3)),
            Request(0.6, 100, 10),
        ]
    )
    by_tokens, by_count = (_run(trace, 2, policy) for policy in (Policy.TOKENS, Policy.LEAST))
    assert by_tokens.replica[4] != by_tokens.replica[0]
    assert by_count.replica[4] == by_count.replica[0]
    assert by_tokens.ttft[4] < 0.2 < by_count.ttft[4]


def test_a_cached_prefix_attracts_and_does_not_where_more_is_to_be_read_before_it() -> None:
    prefix = tuple(range(4))
    asked = Request(20.0, 5 * BLOCK_TOKENS, 10, prefix)
    first = [Request(0.0, LONG, 4000), Request(1.0, 5 * BLOCK_TOKENS, 10, prefix)]
    free = _run(Trace.of([*first, asked]), 2, Policy.TOKENS)
    assert free.replica[2] == free.replica[1] != free.replica[0]
    assert free.ttft[2] < 0.5 * free.ttft[1]
    away = Request(19.99, 2 * LONG, 10, prefix)
    busy = _run(Trace.of([*first, away, asked]), 2, Policy.TOKENS)
    assert busy.replica[2] == busy.replica[1], "it has the prefix"
    assert busy.replica[3] == busy.replica[0], "which is not worth waiting for so much"


def test_equals_go_to_the_one_with_fewer_in_flight() -> None:
    trace = Trace.of([Request(0.0, 10, 1000), Request(5.0, 10, 1000), Request(10.0, 10, 10)])
    book = _book(trace)
    replicas = [Replica(number, a_pool(), 0.0, 0.0, book) for number in range(2)]
    dispatcher = Dispatcher(Router(Policy.TOKENS), trace.classes, 0)
    dispatcher.join(replicas)
    replicas[0].arrive(0, 0.0)
    replicas[0].advance()
    assert replicas[0].unread == 0 < replicas[0].outstanding
    assert dispatcher.pick(1, 0, 5.0) is replicas[1]


@pytest.mark.parametrize("seed", [1, 2])
def test_where_prompts_differ_much_first_tokens_come_sooner_than_by_requests_in_flight(seed: int) -> None:
    random = np.random.default_rng(seed)
    short = a_trace(seed, 400, rate=6.0, longest=(200, 200))
    trace = replace(short, input=np.where(random.random(400) < 0.05, 24_000, short.input))
    by_tokens, by_count = (_run(trace, 4, policy).ttft for policy in (Policy.TOKENS, Policy.LEAST))
    assert np.quantile(by_tokens, 0.9) < 0.8 * np.quantile(by_count, 0.9)
