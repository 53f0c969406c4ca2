"""The event loop of a simulation. Pure: equal arguments give equal results, if the controller does."""

from collections import deque
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from math import inf, nan

import numpy as np

from inferfleet.scaling.signal import Window
from inferfleet.sim.book import Book
from inferfleet.sim.fleet import Fleet
from inferfleet.sim.replica import Replica
from inferfleet.sim.result import Outcome, Result
from inferfleet.sim.router import Dispatcher
from inferfleet.sim.scrape import extend, sample
from inferfleet.sim.types import Blind, Controller, Event, Limit, Lost, Pod, Pool, Seen, Settings, Trace

_REPORT_EVERY = 20_000
"""Requests between calls of `progress`."""


def simulate(
    trace: Trace,
    pools: Iterable[Pool],
    controller: Controller,
    settings: Settings,
    events: Iterable[Event] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Serve the trace. `progress` is told how many requests of how many have arrived.

    Raises ValueError for pools of the same name, for a class that no pool takes, and for names of pools that are not.
    """
    run = _Run(trace, tuple(pools), controller, settings, tuple(events))
    run.serve(progress)
    return run.result()


class _Run:
    def __init__(
        self,
        trace: Trace,
        pools: tuple[Pool, ...],
        controller: Controller,
        settings: Settings,
        events: tuple[Event, ...],
    ) -> None:
        _check(trace, pools, settings, events)
        self._trace, self._pools, self._controller, self._settings = trace, pools, controller, settings
        self._end = settings.end if settings.end is not None else (float(trace.at[-1]) if len(trace) else 0.0)
        self._book = _book(trace, settings)
        self._classes = trace.class_.tolist() if trace.class_ is not None else None
        self._fleet = Fleet(pools, self._book, settings.seed, self._end)
        self._dispatcher = Dispatcher(settings.router, trace.classes, settings.seed)
        self._outcome = np.full(len(trace), Outcome.UNSERVED, dtype=np.int64)
        self._replica = np.full(len(trace), -1, dtype=np.int64)
        self._dues: list[tuple[float, int]] = []
        self._held = tuple(deque[int]() for _ in trace.classes)
        self._windows: dict[int, Window] = {}
        self._blinds = tuple(e for e in events if isinstance(e, Blind))
        self._script = deque(sorted((e for e in events if not isinstance(e, Blind)), key=lambda e: e.at))
        self._next_scrape = self._next_decision = 0.0
        self._room = tuple(
            max((p.engine.kv_tokens for p in pools if not p.classes or c in p.classes), default=0.0)
            for c in trace.classes
        )

    def serve(self, progress: Callable[[int, int], None] | None) -> None:
        self._fleet.start(self._settings.start)
        self._dispatcher.join(self._fleet.serving())
        at, count = self._book.at, len(self._book.at)
        for number in range(count):
            self._until(at[number])
            self._arrive(number, at[number])
            if progress and number % _REPORT_EVERY == 0:
                progress(number, count)
        self._until(inf)

    # time

    def _until(self, now: float) -> None:
        """All that happens up to and at this moment."""
        dues, replicas = self._dues, self._fleet.replicas
        while True:
            other = self._next_other()
            limit = min(now, other)
            while dues and dues[0][0] <= limit:
                due, number = heappop(dues)
                if replicas[number].due == due:
                    self._advance(replicas[number])
            if other > now or other == inf:
                return
            self._other(other)

    def _next_other(self) -> float:
        """The next thing that no replica does by itself."""
        boots, script = self._fleet.boots, self._script
        return min(
            boots[0][0] if boots else inf, script[0].at if script else inf, self._next_scrape, self._next_decision
        )

    def _other(self, now: float) -> None:
        """In an order that makes what is there as new as it can be: boots, the script, a look, a decision."""
        fleet = self._fleet
        if fleet.boots and fleet.boots[0][0] <= now:
            if fleet.booted(heappop(fleet.boots)[1], now):
                self._join(now)
        elif self._script and self._script[0].at <= now:
            self._happen(self._script.popleft(), now)
        elif self._next_scrape <= now:
            self._scrape(now)
        else:
            self._decide(now)

    def _advance(self, replica: Replica) -> None:
        now = replica.due
        finished = replica.advance()
        if replica.due < inf:
            heappush(self._dues, (replica.due, replica.number))
        for number in finished:
            self._outcome[number] = Outcome.DONE
            self._replica[number] = replica.number
        if finished and replica.draining and not replica.outstanding:
            self._fleet.drained(replica, now)
        if finished and any(self._held):
            self._release(now)

    # requests

    def _arrive(self, number: int, now: float) -> None:
        class_ = self._classes[number] if self._classes else 0
        if self._book.input[number] + self._book.output[number] > self._room[class_]:
            self._outcome[number] = Outcome.TOO_LONG
            return
        if self._held[class_] or not self._put(number, class_, now):
            self._held[class_].append(number)

    def _put(self, number: int, class_: int, now: float) -> bool:
        """Whether a replica is ready for it."""
        replica = self._dispatcher.pick(number, class_, now)
        if replica is None:
            return False
        due = replica.due
        replica.arrive(number, now)
        if replica.due != due:
            heappush(self._dues, (replica.due, replica.number))
        return True

    def _release(self, now: float) -> None:
        """Who was held while nothing was ready, as far as there are slots: the first replica that comes must not get
        what could be served by the next ones.
        """
        for class_, held in enumerate(self._held):
            while held and self._dispatcher.free(class_):
                self._put(held.popleft(), class_, now)

    def _join(self, now: float) -> None:
        """The members have changed: whoever was held may have somewhere to go."""
        self._dispatcher.join(self._fleet.serving())
        self._release(now)

    # the world and the controller

    def _happen(self, event: Lost | Limit, now: float) -> None:
        if isinstance(event, Limit):
            self._fleet.limit(event.pool, event.count, now)
            return
        for replica in self._fleet.lose(event.pool, event.count, now):
            for number in replica.inside():
                self._outcome[number] = Outcome.LOST
        self._join(now)

    def _scrape(self, now: float) -> None:
        self._next_scrape = self._after(now, self._settings.scrape)
        if any(b.start <= now < b.end for b in self._blinds):
            return
        old, span = self._windows, self._settings.window
        self._windows = {r.number: extend(old.get(r.number, ()), sample(r, now), span) for r in self._fleet.serving()}

    def _decide(self, now: float) -> None:
        self._next_decision = self._after(now, self._settings.interval)
        before = [r.number for r in self._fleet.serving()]
        pods = tuple(
            Pod(
                name=f"{r.pool.name}-{r.number}",
                pool=r.pool.name,
                created=r.created,
                ready_at=r.ready_at if r.ready_at <= now else None,
                draining=r.draining,
                window=self._windows.get(r.number, ()),
            )
            for r in self._fleet.all()
        )
        self._fleet.want(self._controller.decide(Seen(now, pods, self._fleet.rooms(), sum(map(len, self._held)))), now)
        if before != [r.number for r in self._fleet.serving()]:
            self._join(now)

    def _after(self, now: float, interval: float) -> float:
        return now + interval if now + interval <= self._end else inf

    # what came of it

    def result(self) -> Result:
        book, overhead = self._book, self._settings.overhead
        first, finish = np.array(book.first), np.array(book.finish)
        more = np.maximum(self._trace.output - 1, 1)
        return Result(
            trace=self._trace,
            pools=self._pools,
            ttft=first - self._trace.at + overhead,
            itl=np.where(self._trace.output > 1, (finish - first) / more, nan),
            finish=finish + overhead,
            outcome=self._outcome,
            replica=self._replica,
            preempted=sum(r.counters.preempted for r in self._fleet.replicas),
            timeline=tuple(self._fleet.timeline),
            choices=tuple(self._fleet.choices),
            hours=self._fleet.hours(),
            end=self._end,
            reached=np.array(
                [
                    sum(r.counters.generated for r in self._fleet.replicas if r.pool.name == pool.name)
                    for pool in self._pools
                ],
                dtype=np.float64,
            ),
        )


def _book(trace: Trace, settings: Settings) -> Book:
    ranks = sorted({settings.priorities.get(c, 0) for c in trace.classes}, reverse=True)
    by_class = [ranks.index(settings.priorities.get(c, 0)) for c in trace.classes]
    alike = trace.class_ is None or len(ranks) == 1
    return Book(
        at=trace.at.tolist(),
        input=trace.input.tolist(),
        output=trace.output.tolist(),
        prefix=trace.prefix,
        rank=[] if alike or trace.class_ is None else [by_class[c] for c in trace.class_.tolist()],
        ranks=len(ranks),
        first=[nan] * len(trace),
        finish=[nan] * len(trace),
        cached=[] if trace.cached is None else trace.cached.tolist(),
    )


def _check(trace: Trace, pools: tuple[Pool, ...], settings: Settings, events: tuple[Event, ...]) -> None:
    names = [pool.name for pool in pools]
    if len(set(names)) != len(names):
        raise ValueError(f"pools of the same name: {', '.join(names)}")
    unknown = {*settings.start, *(e.pool for e in events if not isinstance(e, Blind))} - set(names)
    if unknown:
        raise ValueError(f"no pool is named {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    for class_ in trace.classes:
        if not any(not pool.classes or class_ in pool.classes for pool in pools):
            raise ValueError(f"no pool takes requests of class {class_ or '(none)'}")
    if len(trace) and (np.any(np.diff(trace.at) < 0) or trace.at[0] < 0):
        raise ValueError("the trace is not sorted by time from second 0 on; Trace.of sorts")
    if len(trace) and (trace.output.min() < 1 or trace.input.min() < 1):
        raise ValueError("a request needs at least one token of input and one of output")
