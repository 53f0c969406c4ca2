"""Long work on the event loop lets others go on."""

import asyncio

from inferfleet.kube.turns import TURN_SECONDS, in_turns


class Clock:
    """Goes on by what each look at it is said to have taken."""

    def __init__(self, step: float) -> None:
        self._now, self._step = 0.0, step

    def __call__(self) -> float:
        self._now += self._step
        return self._now


async def others(pieces: int, clock: Clock) -> list[int]:
    """How many turns others had had when each piece came."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    found = [turns async for _ in in_turns(range(pieces), clock)]
    task.cancel()
    return found


async def test_after_each_piece_that_takes_its_time_others_have_a_turn() -> None:
    assert await others(4, Clock(TURN_SECONDS)) == [0, 1, 2, 3]


async def test_pieces_that_take_no_time_come_one_after_the_other() -> None:
    assert await others(1000, Clock(0.0)) == [0] * 1000


async def test_a_turn_is_as_many_pieces_as_its_time_allows() -> None:
    # the clock is looked at once a piece, and once at the beginning of each turn
    assert await others(9, Clock(TURN_SECONDS / 2.5)) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


async def test_work_keeps_its_order_and_is_made_as_it_is_asked_for() -> None:
    made = []

    def work() -> object:
        for i in range(3):
            made.append(i)
            yield i

    async for i in in_turns(work()):
        assert made == list(range(i + 1))
    assert made == [0, 1, 2]
