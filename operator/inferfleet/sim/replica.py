"""One replica: continuous batching by iterations, as vLLM schedules them, with decode steps jumped over. Pure memory.

Sequences decode in lockstep, so between arrivals, ends of prefill and finishes all steps are alike: one `Stretch`.
Only steps that prefill are taken one by one. All state is that of the boundary where the stretch in progress began.
"""

from bisect import bisect_left
from collections import deque
from heapq import heappop, heappush
from math import inf

from inferfleet.sim.book import ITL_BOUNDS, Book, Counters, Sequence
from inferfleet.sim.memory import Memory
from inferfleet.sim.stretch import Stretch
from inferfleet.sim.types import BLOCK_TOKENS, Pool


class Replica:
    """See the module. `due`: when `advance` is to be called; infinite while there is nothing to do."""

    def __init__(self, number: int, pool: Pool, created: float, ready_at: float, book: Book) -> None:
        self.number, self.pool, self.created, self.ready_at = number, pool, created, ready_at
        self.draining = False
        self.due = inf
        self.outstanding = 0
        self.unread = 0
        """Prompt tokens of its requests that it still has to read; of what it has not begun, as far as can be told."""
        self.counters = Counters()
        self.memory = Memory(pool.engine, book)
        self._book, self._engine = book, pool.engine
        self._queues: list[deque[int]] = [deque() for _ in range(book.ranks)]
        self._waiting = 0
        self._prefilling: list[Sequence] = []
        self._running: dict[int, Sequence] = {}
        self._ends: list[tuple[int, int]] = []
        """Heap of (step, number) for all that decode; entries of preempted ones stay until they come up."""
        self._came: dict[int, float] = {}
        """When requests that have no slot yet came here."""
        self._promised: dict[int, int] = {}
        """Tokens in `unread` of requests that have no slot yet."""
        self._began: dict[int, float] = {}
        """When those that have one, or had one before they were preempted, got it first."""
        self._made: dict[int, int] = {}
        """Tokens of preempted requests that their callers already have."""
        self._context = 0
        """Tokens in the caches of all that decode."""
        self._cold = pool.engine.cold_steps
        self._ahead = int(pool.engine.ahead)
        self._known = inf
        """Requests after this moment came too late for the next step."""
        self._steps = 0
        """Done since the start."""
        self._now = 0.0
        self._stretch: Stretch | None = None
        self._chunks: list[tuple[Sequence, int]] = []
        """Prompt tokens that the step in progress computes; empty: it only decodes."""

    # what others see

    @property
    def running(self) -> int:
        """Requests with a slot."""
        return len(self._running) + len(self._prefilling)

    @property
    def later_waiting(self) -> int:
        """Of these, those of queues that go after others."""
        return sum(len(queue) for queue in self._queues[1:])

    @property
    def waiting(self) -> int:
        """Requests in its queue."""
        return self._waiting

    def to_read(self, number: int) -> int:
        """Prompt tokens of a request that it would have to read now."""
        return self._book.input[number] - BLOCK_TOKENS * self.memory.cached_blocks(number)

    def decoded(self, now: float) -> int:
        """Tokens of the stretch in progress that are out."""
        if self._stretch is None or self._chunks:
            return 0
        return self._stretch.done(now) * len(self._running)

    def inside(self) -> list[int]:
        """Numbers of the requests that it has."""
        queued = [number for queue in self._queues for number in queue]
        return queued + [s.number for s in (*self._prefilling, *self._running.values())]

    # what happens to it

    def arrive(self, number: int, now: float) -> None:
        """Queue a request; steps that only decode end with the one in progress if there may be room for it."""
        self._queue(number).append(number)
        self._came[number] = now
        self._waiting += 1
        self.outstanding += 1
        self._promised[number] = self.to_read(number)
        self.unread += self._promised[number]
        self.counters.arrive(self._book.input[number], later=self._book.rank_of(number) > 0)
        if self._stretch is None:
            self._now, self._known = now, inf
            self._plan()
        elif not self._chunks and self._may_admit(number) and self._stretch.cut(now, self._ahead):
            self.due = self._stretch.due

    def advance(self) -> list[int]:
        """End the stretch in progress, and begin the next. Returns the requests that finished."""
        assert self._stretch
        self._now = self.due
        if self._ahead:
            self._known = self._stretch.last_began
        self._count_tokens(self._stretch.steps, (self.due - self._stretch.began) / self._stretch.steps)
        finished = self._finish_due()
        chunks, self._chunks = self._chunks, []
        for sequence, tokens in chunks:
            sequence.left -= tokens
            self.unread -= tokens
            if sequence.left == 0 and self._begin_decode(sequence):
                finished.append(sequence.number)
        self._plan()
        return finished

    def stop(self) -> None:
        """It is gone; what it had stays to be told by `inside`."""
        self._stretch, self.due = None, inf

    # stretches of steps

    def _plan(self) -> None:
        preempted = self._make_room()
        self._chunks = [] if preempted else self._batch()
        n, e = len(self._running), self._engine
        if not n and not self._chunks:
            self._stretch, self.due = None, inf
            return
        step = e.base + e.per_sequence * n + e.per_context_token * self._context
        if self._chunks:
            step += sum(self._prefill_seconds(s, tokens) for s, tokens in self._chunks)
            if self._cold:
                self._cold -= 1
                step += e.cold_seconds
            self._stretch = Stretch(self._now, 1, step)
        else:
            until_full = 1 if preempted or self._late() else int((e.kv_tokens - self.memory.held) // n)
            steps = max(1, min(self._next_end() - self._steps, until_full))
            self._stretch = Stretch(self._now, steps, step, e.per_context_token * n)
        self.due = self._stretch.due

    def _prefill_seconds(self, sequence: Sequence, tokens: int) -> float:
        e, before = self._engine, sequence.prompt - sequence.left
        return tokens / e.prefill_rate + e.per_prefill_context_token * tokens * (before + tokens / 2)

    def _count_tokens(self, steps: int, seconds: float) -> None:
        self._steps += steps
        if tokens := len(self._running) * steps:
            self._context += tokens
            self.memory.grow(tokens)
            self.counters.generated += tokens
            self.counters.itl[bisect_left(ITL_BOUNDS, seconds)] += tokens

    # the queue

    def _queue(self, number: int) -> deque[int]:
        return self._queues[self._book.rank_of(number)]

    def _may_admit(self, number: int) -> bool:
        """Roughly: not with others before it whom there was no room for; a cut too many costs time only."""
        first = self._waiting == 1 or len(self._queues) > 1
        if not first or self.running >= self._engine.slots:
            return False
        return self.memory.shares or self.memory.held + self._book.input[number] <= self._engine.kv_tokens

    def _batch(self) -> list[tuple[Sequence, int]]:
        """Prompt tokens of the next step: what is begun first, then whoever waits, while there is room."""
        budget = self._engine.chunk - len(self._running)
        chunks = []
        for sequence in self._prefilling:
            if budget > 0:
                chunks.append((sequence, min(sequence.left, budget)))
                budget -= sequence.left
        while budget > 0 and self._waiting and (admitted := self._admit()):
            chunks.append((admitted, min(admitted.left, budget)))
            budget -= admitted.left
        return chunks

    def _admit(self) -> Sequence | None:
        if self.running >= self._engine.slots or (self.running and self._late()):
            return None
        queue = next(q for q in self._queues if q)
        made = self._made.get(queue[0], 0)
        sequence = self.memory.admit(queue[0], made, len(self._running), alone=not self.running)
        if sequence:
            queue.popleft()
            self._waiting -= 1
            came = self._came.pop(sequence.number, None)
            if came is not None and not self._book.rank_of(sequence.number):
                self.counters.wait(self._now - came)
            self._began.setdefault(sequence.number, self._now)
            self.counters.cached += sequence.prompt - sequence.left
            self.unread += sequence.left - self._promised.pop(sequence.number)
            self._prefilling.append(sequence)
        return sequence

    def _late(self) -> bool:
        """Whether the first that waits has only just come."""
        if not (self._ahead and self._waiting):
            return False
        return self._came.get(next(q for q in self._queues if q)[0], -inf) > self._known

    def _make_room(self) -> bool:
        """Put back the last admitted, while one more token of each that decodes does not fit."""
        preempted = False
        while len(self._running) > 1 and self.memory.held + len(self._running) > self._engine.kv_tokens:
            self._preempt(max(self._running.values(), key=lambda s: (self._book.rank_of(s.number), s.order)))
            preempted = True
        return preempted

    # sequences

    def _begin_decode(self, sequence: Sequence) -> bool:
        """The end of its prefill gives a token. True: that was the last."""
        number, book = sequence.number, self._book
        self._prefilling.remove(sequence)
        made = self._made.pop(number, 0)
        if not made:
            book.first[number] = self._now
            self.counters.begin(book.input[number], self._now - book.at[number])
        self.counters.generated += 1
        if self.memory.shares:
            self.memory.share(sequence)
        sequence.ends = self._steps + book.output[number] - made - 1
        if sequence.ends == self._steps:
            self._finish(sequence)
            return True
        self._running[number] = sequence
        self._context += sequence.prompt
        heappush(self._ends, (sequence.ends, number))
        return False

    def _next_end(self) -> int:
        """Step of the next finish. Something must decode."""
        while True:
            step, number = self._ends[0]
            found = self._running.get(number)
            if found and found.ends == step:
                return step
            heappop(self._ends)

    def _finish_due(self) -> list[int]:
        finished = []
        while self._running and self._next_end() <= self._steps:
            sequence = self._running[heappop(self._ends)[1]]
            self._leave(sequence)
            self._finish(sequence)
            finished.append(sequence.number)
        return finished

    def _finish(self, sequence: Sequence) -> None:
        number, book = sequence.number, self._book
        self.memory.release(sequence)
        self.outstanding -= 1
        book.finish[number] = self._now
        tokens, held = book.output[number], self._now - self._began.pop(number)
        decoding = self._now - book.first[number]
        self.counters.finish(tokens, held, decoding, later=book.rank_of(number) > 0)

    def _made_by(self, sequence: Sequence) -> int:
        """Tokens that its caller has."""
        return self._book.output[sequence.number] - (sequence.ends - self._steps)

    def _leave(self, sequence: Sequence) -> None:
        """It no longer decodes; what it grew by is its own."""
        del self._running[sequence.number]
        before = sequence.prompt - self._book.input[sequence.number]
        grown = self._made_by(sequence) - before - 1
        self._context -= sequence.prompt + grown
        sequence.own += grown

    def _preempt(self, sequence: Sequence) -> None:
        """To the front of its queue; what it made is kept by its caller and computed again here."""
        self._leave(sequence)
        self.memory.release(sequence)
        self._made[sequence.number] = self._made_by(sequence)
        self._promised[sequence.number] = sequence.prompt
        self.unread += sequence.prompt
        self._queue(sequence.number).appendleft(sequence.number)
        self._waiting += 1
        self.counters.preempted += 1
