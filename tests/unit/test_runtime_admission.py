import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from inferfleet_runtime.api.work import Work
from inferfleet_runtime.front.admission import Admission, Verdict

SMALL = Work(prompt=10, output=10)


def test_requests_run_while_slots_are_free_then_wait_then_are_refused():
    admission = Admission(slots=2, max_queued_tokens=40)
    verdicts = [admission.offer(ticket, SMALL)[0] for ticket in "abcde"]
    assert verdicts == [Verdict.RUN, Verdict.RUN, Verdict.WAIT, Verdict.WAIT, Verdict.REFUSE]
    assert (admission.running, admission.waiting, admission.queued_tokens) == (2, 2, 40)


def test_a_request_larger_than_the_queue_runs_when_a_slot_is_free():
    admission = Admission(slots=1, max_queued_tokens=1)
    assert admission.offer("a", Work(1000, 1000)) == (Verdict.RUN, ())
    assert admission.offer("b", SMALL) == (Verdict.REFUSE, ())


def test_the_end_of_a_request_starts_the_one_that_came_first():
    admission = Admission(slots=1, max_queued_tokens=100)
    for ticket in "abc":
        admission.offer(ticket, SMALL)
    assert [admission.leave("a"), admission.leave("b"), admission.leave("c")] == ["b", "c", None]


def test_leaving_the_queue_frees_its_tokens_and_starts_nobody():
    admission = Admission(slots=1, max_queued_tokens=20)
    admission.offer("a", SMALL)
    admission.offer("b", SMALL)
    assert admission.leave("b") is None
    assert admission.queued_tokens == 0
    assert admission.offer("c", SMALL) == (Verdict.WAIT, ())


def test_the_queue_knows_how_much_output_waits():
    admission = Admission(slots=1, max_queued_tokens=1000)
    for ticket, output in [("a", 5), ("b", 7), ("c", 11)]:
        admission.offer(ticket, Work(1, output))
    assert admission.queued_output_tokens() == 18


def test_a_ticket_is_not_taken_twice():
    admission = Admission(slots=1, max_queued_tokens=100)
    admission.offer("a", SMALL)
    with pytest.raises(ValueError, match="in use"):
        admission.offer("a", SMALL)


def test_an_unknown_ticket_cannot_leave():
    with pytest.raises(KeyError):
        Admission(slots=1, max_queued_tokens=1).leave("a")


def test_a_higher_priority_starts_first_and_within_one_the_earlier():
    admission = Admission(slots=1, max_queued_tokens=100)
    admission.offer("runs", SMALL)
    for ticket, priority in [("a", 0), ("b", 5), ("c", 0), ("d", 5)]:
        admission.offer(ticket, SMALL, priority)
    order = ["runs"]
    while (started := admission.leave(order[-1])) is not None:
        order.append(started)
    assert order == ["runs", "b", "d", "a", "c"]


def test_a_higher_priority_evicts_the_latest_of_the_lowest_as_far_as_it_needs():
    admission = Admission(slots=1, max_queued_tokens=80)
    admission.offer("runs", SMALL)
    for ticket, priority in [("a", 1), ("b", 0), ("c", 0), ("d", 1)]:
        admission.offer(ticket, SMALL, priority)
    assert admission.offer("high", Work(20, 10), 2) == (Verdict.WAIT, ("c", "b"))
    assert admission.queued_tokens == 70
    assert "b" not in admission


def test_nobody_is_evicted_for_an_equal_or_where_that_is_not_enough():
    admission = Admission(slots=1, max_queued_tokens=40)
    admission.offer("runs", SMALL)
    admission.offer("a", SMALL)
    admission.offer("b", SMALL, 1)
    assert admission.offer("equal", SMALL) == (Verdict.REFUSE, ())
    assert admission.offer("large", Work(20, 20), 1) == (Verdict.REFUSE, ())
    assert (admission.waiting, admission.queued_tokens) == (2, 40)


class AnyHistory(RuleBasedStateMachine):
    """Arrivals and departures in any order against a model of two plain collections."""

    SLOTS, BOUND = 3, 50

    def __init__(self):
        super().__init__()
        self.admission = Admission(self.SLOTS, self.BOUND)
        self.running: set[int] = set()
        self.queue: list[tuple[int, int, Work]] = []  # priority, ticket, work, in the order of arrival
        self.next_ticket = 0

    @rule(prompt=st.integers(1, 40), output=st.integers(1, 40), priority=st.integers(-1, 1))
    def arrive(self, prompt, output, priority):
        ticket, work = self.next_ticket, Work(prompt, output)
        self.next_ticket += 1
        verdict, evicted = self.admission.offer(ticket, work, priority)
        if len(self.running) < self.SLOTS:
            assert (verdict, evicted) == (Verdict.RUN, ())
            self.running.add(ticket)
            return
        kept = self.queue.copy()
        losers = []
        for loser in sorted(self.queue, key=lambda queued: (queued[0], -queued[1])):
            if loser[0] < priority and sum(w.total for *_, w in kept) + work.total > self.BOUND:
                kept.remove(loser)
                losers.append(loser[1])
        if sum(w.total for *_, w in kept) + work.total > self.BOUND:
            assert (verdict, evicted) == (Verdict.REFUSE, ())
        else:
            assert (verdict, evicted) == (Verdict.WAIT, tuple(losers))
            self.queue = [*kept, (priority, ticket, work)]

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data):
        ticket = data.draw(st.sampled_from(sorted(self.running)))
        self.running.remove(ticket)
        expected = min(self.queue, key=lambda queued: (-queued[0], queued[1]), default=None)
        assert self.admission.leave(ticket) == (expected and expected[1])
        if expected is not None:
            self.queue.remove(expected)
            self.running.add(expected[1])

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def give_up_waiting(self, data):
        _, ticket, _ = self.queue.pop(data.draw(st.integers(0, len(self.queue) - 1)))
        assert self.admission.leave(ticket) is None

    @invariant()
    def counts_agree_and_stay_within_their_bounds(self):
        assert self.admission.running == len(self.running) <= self.SLOTS
        assert self.admission.waiting == len(self.queue)
        assert self.admission.queued_tokens == sum(w.total for *_, w in self.queue) <= self.BOUND
        assert self.admission.queued_output_tokens() == sum(w.output for *_, w in self.queue)
        assert not self.queue or len(self.running) == self.SLOTS


TestAnyHistory = AnyHistory.TestCase
