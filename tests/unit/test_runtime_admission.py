from collections import deque

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from inferfleet_runtime.api.work import Work
from inferfleet_runtime.front.admission import Admission, Verdict

SMALL = Work(prompt=10, output=10)


def test_requests_run_while_slots_are_free_then_wait_then_are_refused():
    admission = Admission(slots=2, max_queued_tokens=40)
    verdicts = [admission.offer(ticket, SMALL) for ticket in "abcde"]
    assert verdicts == [Verdict.RUN, Verdict.RUN, Verdict.WAIT, Verdict.WAIT, Verdict.REFUSE]
    assert (admission.running, admission.waiting, admission.queued_tokens) == (2, 2, 40)


def test_a_request_larger_than_the_queue_runs_when_a_slot_is_free():
    admission = Admission(slots=1, max_queued_tokens=1)
    assert admission.offer("a", Work(1000, 1000)) is Verdict.RUN
    assert admission.offer("b", SMALL) is Verdict.REFUSE


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
    assert admission.offer("c", SMALL) is Verdict.WAIT


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


class AnyHistory(RuleBasedStateMachine):
    """Arrivals and departures in any order against a model of two plain collections."""

    SLOTS, BOUND = 3, 50

    def __init__(self):
        super().__init__()
        self.admission = Admission(self.SLOTS, self.BOUND)
        self.running: set[int] = set()
        self.queue: deque[tuple[int, Work]] = deque()
        self.next_ticket = 0

    @rule(prompt=st.integers(1, 40), output=st.integers(1, 40))
    def arrive(self, prompt, output):
        ticket, work = self.next_ticket, Work(prompt, output)
        self.next_ticket += 1
        queued = sum(w.total for _, w in self.queue)
        verdict = self.admission.offer(ticket, work)
        if len(self.running) < self.SLOTS:
            assert verdict is Verdict.RUN
            self.running.add(ticket)
        elif queued + work.total <= self.BOUND:
            assert verdict is Verdict.WAIT
            self.queue.append((ticket, work))
        else:
            assert verdict is Verdict.REFUSE

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data):
        ticket = data.draw(st.sampled_from(sorted(self.running)))
        self.running.remove(ticket)
        expected = self.queue.popleft()[0] if self.queue else None
        assert self.admission.leave(ticket) == expected
        if expected is not None:
            self.running.add(expected)

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def give_up_waiting(self, data):
        place = data.draw(st.integers(0, len(self.queue) - 1))
        ticket = self.queue[place][0]
        del self.queue[place]
        assert self.admission.leave(ticket) is None

    @invariant()
    def counts_agree_and_stay_within_their_bounds(self):
        assert self.admission.running == len(self.running) <= self.SLOTS
        assert self.admission.waiting == len(self.queue)
        assert self.admission.queued_tokens == sum(w.total for _, w in self.queue) <= self.BOUND
        assert not self.queue or len(self.running) == self.SLOTS


TestAnyHistory = AnyHistory.TestCase
